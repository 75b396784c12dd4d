import java.util.List;
import java.util.stream.Collectors;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.entity.UrlEncodedFormEntity;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.message.BasicNameValuePair;

/** Apache HttpClient 5 as it comes: a form is in ISO-8859-1. */
public class Apache5 {
    public static void main(String[] arguments) throws Exception {
        CloseableHttpClient http = HttpClients.createDefault();
        Exchange.all(arguments, (url, form) -> {
            HttpPost request = new HttpPost(url);
            List<BasicNameValuePair> fields = form.entrySet().stream()
                .map(each -> new BasicNameValuePair(each.getKey(), each.getValue()))
                .collect(Collectors.toList());
            request.setEntity(new UrlEncodedFormEntity(fields));
            return http.execute(request, response -> EntityUtils.toString(response.getEntity()));
        });
    }
}
