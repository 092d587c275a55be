// Java's own HttpClient, as it comes (it offers h2c with its first request, which is served as HTTP/1.1) and held to HTTP/1.1.

import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.net.http.WebSocket;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class WithJava {
    static final String BASE = System.getenv("SITE_BASE");
    static final String CA = System.getenv("SITE_CA");
    static final String PATH = "/o/echo/caf%C3%A9/%E6%97%A5%E6%9C%AC/a%20b%2Fc?q=a%20b&q=%26%3D&empty=&u=%C3%BC";

    final HttpClient client;

    WithJava(HttpClient client) {
        this.client = client;
    }

    public static void main(String[] arguments) throws Exception {
        for (var version : new HttpClient.Version[] {null, HttpClient.Version.HTTP_1_1}) {
            var builder = HttpClient.newBuilder()
                    .followRedirects(HttpClient.Redirect.NORMAL)
                    .cookieHandler(new CookieManager())
                    .connectTimeout(Duration.ofSeconds(10));
            if (version != null) builder.version(version);
            if (CA != null && !CA.isEmpty()) builder.sslContext(trusting(CA));
            var run = new WithJava(builder.build());
            run.everyKind();
            run.bodies();
            run.ownAnswers();
            run.aborted();
            run.manyAtOnce();
            run.webSocket();
        }
        System.out.println("java.net.http of " + Runtime.version() + ": offering h2c and HTTP/1.1, streams, WebSocket, 200 at once");
        System.exit(0);
    }

    void everyKind() throws Exception {
        for (var method : List.of("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")) {
            var body = List.of("POST", "PUT", "PATCH").contains(method) ? BodyPublishers.ofString("x".repeat(1000)) : BodyPublishers.noBody();
            var answer = text(to("/o/echo").method(method, body));
            same(answer.statusCode(), 200, method);
            same(answer.headers().firstValue("x-method").orElse(""), method, "the method that arrived");
        }
        var seen = text(to("/o/echo").GET()).body();
        same(seen.toLowerCase().contains("http2-settings"), false, "HTTP2-Settings at the endpoint, " + seen);
        same(json(text(to(PATH).GET()).body(), "target"), PATH, "the target");
        same(json(text(to("/o/redirect/3").GET()).body(), "target"), "/o/echo/redirected", "redirects");
        same(json(text(to("/old").POST(BodyPublishers.ofString("kept"))).body(), "length"), "4", "a body after 308");
        same(text(to("/o/cookies").GET()).headers().allValues("set-cookie").size(), 5, "Set-Cookie fields");
        var gzip = client.send(to("/o/gzip").build(), BodyHandlers.ofByteArray());
        same(sha256(gzip.body()), gzip.headers().firstValue("x-sha256").get(), "compressed bytes");
        same(new GZIPInputStream(new ByteArrayInputStream(gzip.body())).readAllBytes().length > 45000, true, "decoded");
        var many = to("/o/echo");
        for (int n = 0; n < 80; n++) many.header("x-field-" + n, "v".repeat(200));
        var fields = Pattern.compile("\"x-field-\\d+\":").matcher(text(many.GET()).body());
        same(fields.results().count(), 80L, "fields");
    }

    void bodies() throws Exception {
        for (int length : new int[] {64 * 1024, 1024 * 1024}) {
            var data = pattern(length);
            for (var kind : List.of("bytes", "chunked")) {
                var answer = client.send(to("/o/" + kind + "/" + length).build(), BodyHandlers.ofByteArray());
                same(sha256(answer.body()), answer.headers().firstValue("x-sha256").get(), length + " bytes down, " + kind);
            }
            for (boolean expect : new boolean[] {false, true}) {
                var up = text(to("/o/echo").expectContinue(expect).PUT(BodyPublishers.ofByteArray(data)));
                same(json(up.body(), "sha256"), sha256(data), length + " bytes up, expecting 100 Continue: " + expect);
            }
            var chunks = text(to("/o/echo").POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(data))));
            same(json(chunks.body(), "sha256"), sha256(data), length + " bytes up in chunks");
        }
    }

    void ownAnswers() throws Exception {
        for (var one : List.of(List.of("/nowhere", 404), List.of("/nobody/", 503), List.of("/late/slow/5000", 504))) {
            var answer = text(to((String) one.get(0)).GET());
            same(answer.statusCode(), one.get(1), (String) one.get(0));
            same(answer.headers().firstValue("proxy-status").orElse("").startsWith("evenkeel"), true, "Proxy-Status");
        }
    }

    void aborted() throws Exception {
        for (int round = 0; round < 5; round++) {
            try {
                text(to("/o/slow/3000").timeout(Duration.ofMillis(150)).GET());
                throw new IllegalStateException("wanted a time-out");
            } catch (HttpTimeoutException expected) {
                // What was wanted.
            }
            try (InputStream body = client.send(to("/o/drip/100/20").build(), BodyHandlers.ofInputStream()).body()) {
                body.read();
            }
            same(text(to("/o/bytes/10").GET()).statusCode(), 200, "after two aborts");
        }
    }

    void manyAtOnce() throws Exception {
        var answers = new ArrayList<CompletableFuture<HttpResponse<byte[]>>>();
        for (int n = 0; n < 200; n++) answers.add(client.sendAsync(to("/o/bytes/" + n).build(), BodyHandlers.ofByteArray()));
        for (int n = 0; n < 200; n++) same(answers.get(n).get(30, TimeUnit.SECONDS).body().length, n, "its own answer");
    }

    void webSocket() throws Exception {
        var got = new CompletableFuture<String>();
        var closed = new CompletableFuture<Integer>();
        var socket = client.newWebSocketBuilder().buildAsync(URI.create(BASE.replaceFirst("http", "ws") + "/o/ws"), new WebSocket.Listener() {
            final StringBuilder text = new StringBuilder();

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
                text.append(data);
                if (last) got.complete(text.toString());
                return WebSocket.Listener.super.onText(socket, data, last);
            }

            @Override
            public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                closed.complete(code);
                return null;
            }
        }).get(10, TimeUnit.SECONDS);
        var message = "from Java ".repeat(20000);
        socket.sendText(message, true).get(10, TimeUnit.SECONDS);
        same(got.get(10, TimeUnit.SECONDS).equals(message), true, "200 kB of text, back");
        socket.sendText("close 4001", true).get(10, TimeUnit.SECONDS);
        same(closed.get(10, TimeUnit.SECONDS), 4001, "close code");
    }

    HttpResponse<String> text(HttpRequest.Builder request) throws Exception {
        return client.send(request.build(), BodyHandlers.ofString());
    }

    static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create(BASE + path)).timeout(Duration.ofSeconds(30));
    }

    /** The value of a field of the origin's flat JSON. */
    static String json(String text, String name) {
        var found = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(text);
        if (!found.find()) throw new IllegalStateException("no " + name + " in " + text);
        return found.group(1);
    }

    static SSLContext trusting(String path) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (var file = new FileInputStream(path)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    static byte[] pattern(int length) {
        var data = new byte[length];
        for (int at = 0; at < length; at++) data[at] = (byte) (at * 31 + (at >> 8));
        return data;
    }

    static String sha256(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }

    static void same(Object found, Object wanted, String what) {
        if (!found.equals(wanted)) {
            System.err.println("FAILED: " + what + ": wanted " + wanted + ", found " + found);
            System.exit(1);
        }
    }
}
