import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** java.net.http as it comes: over plain http it asks for an upgrade to h2c. */
public class Jdk {
    public static void main(String[] arguments) throws Exception {
        HttpClient http = HttpClient.newHttpClient();
        Exchange.all(arguments, (url, form) -> {
            HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(Exchange.encoded(form)))
                .build();
            return http.send(request, HttpResponse.BodyHandlers.ofString()).body();
        });
    }
}
