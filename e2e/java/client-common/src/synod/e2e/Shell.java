package synod.e2e;

import com.netflix.discovery.EurekaClient;
import com.netflix.discovery.converters.EurekaJacksonCodec;
import com.netflix.discovery.shared.Application;
import com.netflix.discovery.shared.Applications;
import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import java.io.BufferedReader;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;

/**
 * What both Java clients have in common: one command a line on standard input, one JSON object a line as the answer.
 *
 * <p>Commands: list | status S | override S | clear-override | counters | gzip-full | leave.
 */
final class Shell {
    /** What only the concrete client library can do. */
    interface Overrides {
        void set(String status) throws Exception;

        void clear() throws Exception;
    }

    private final EurekaClient client;
    private final ApplicationInfoManager self;
    private final String serviceUrl;
    private final Overrides overrides;
    private final Runnable leave;
    private final PrintStream out;

    Shell(EurekaClient client, ApplicationInfoManager self, String serviceUrl, Overrides overrides, Runnable leave,
            PrintStream out) {
        this.client = client;
        this.self = self;
        this.serviceUrl = serviceUrl;
        this.overrides = overrides;
        this.leave = leave;
        this.out = out;
    }

    /** Answers commands until "leave" or the end of input. */
    void run() throws IOException {
        out.println("{\"ready\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.trim().split(" ");
            try {
                out.println(answer(words));
            } catch (Exception e) {
                out.println("{\"error\":" + quote(e.toString()) + "}");
            }
            if (words[0].equals("leave")) {
                return;
            }
        }
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "list":
                return "{\"instances\":" + list(client.getApplications()) + "}";
            case "status":
                self.setInstanceStatus(InstanceStatus.valueOf(words[1]));
                return "{\"ok\":true}";
            case "override":
                overrides.set(words[1]);
                return "{\"ok\":true}";
            case "clear-override":
                overrides.clear();
                return "{\"ok\":true}";
            case "counters":
                return LogCounters.json();
            case "gzip-full":
                return gzipFull();
            case "leave":
                leave.run();
                return "{\"ok\":true}";
            default:
                return "{\"error\":" + quote("unknown command " + words[0]) + "}";
        }
    }

    private static String list(Applications applications) {
        TreeSet<String> rows = new TreeSet<>();
        for (Application application : applications.getRegisteredApplications()) {
            for (InstanceInfo i : application.getInstancesAsIsFromEureka()) {
                rows.add("{\"app\":" + quote(i.getAppName()) + ",\"id\":" + quote(i.getId()) + ",\"status\":"
                        + quote(i.getStatus().name()) + "}");
            }
        }
        return "[" + String.join(",", rows) + "]";
    }

    /**
     * A full list through GZIPInputStream from a stream that hands out one byte a read and never knows of a further one:
     * such a reader stops without an error at a gzip member's end.
     */
    private String gzipFull() throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(serviceUrl + "apps/").openConnection();
        connection.setRequestProperty("Accept", "application/json");
        connection.setRequestProperty("Accept-Encoding", "gzip");
        try (InputStream body = new GZIPInputStream(new OneByte(connection.getInputStream()), 1)) {
            Applications all = EurekaJacksonCodec.getInstance().readValue(Applications.class, body);
            return "{\"encoding\":" + quote(String.valueOf(connection.getContentEncoding())) + ",\"instances\":"
                    + all.size() + ",\"applications\":" + all.getRegisteredApplications().size() + ",\"count\":"
                    + all.getRegisteredApplications().stream()
                            .mapToInt(a -> a.getInstancesAsIsFromEureka().size()).sum()
                    + ",\"hash\":" + quote(all.getAppsHashCode()) + ",\"computed\":"
                    + quote(all.getReconcileHashCode()) + "}";
        }
    }

    private static final class OneByte extends FilterInputStream {
        OneByte(InputStream in) {
            super(in);
        }

        @Override
        public int read(byte[] b, int off, int len) throws IOException {
            return super.read(b, off, Math.min(len, 1));
        }

        @Override
        public int available() {
            return 0;
        }
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
