import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What LINE WORKS does for each code that stands on a line of standard input. */
public class Exchange {
    public interface Post {
        String send(String url, Map<String, String> form) throws Exception;
    }

    public static void all(String[] arguments, Post post) throws Exception {
        String url = arguments[0];
        Map<String, String> client = Map.of("client_id", arguments[1], "client_secret", arguments[2]);
        BufferedReader codes = new BufferedReader(new InputStreamReader(System.in));
        for (String code = codes.readLine(); code != null; code = codes.readLine()) {
            Map<String, String> form = new TreeMap<>(client);
            form.put("grant_type", "authorization_code");
            form.put("code", code);
            String token = value("access_token", post.send(url + "/accessToken", form));
            form = new TreeMap<>(client);
            form.put("access_token", token);
            System.out.println(value("user_id", post.send(url + "/userInfo", form)));
            System.out.flush();
        }
    }

    public static String encoded(Map<String, String> form) {
        return form.entrySet().stream()
            .map(each -> each.getKey() + "=" + URLEncoder.encode(each.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("&"));
    }

    private static String value(String name, String json) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : "no " + name + " in " + json;
    }
}
