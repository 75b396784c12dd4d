import java.util.List;
import java.util.stream.Collectors;
import org.apache.http.client.entity.UrlEncodedFormEntity;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.message.BasicNameValuePair;
import org.apache.http.util.EntityUtils;

/** Apache HttpClient 4 as it comes: a form is in ISO-8859-1. */
public class Apache4 {
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
