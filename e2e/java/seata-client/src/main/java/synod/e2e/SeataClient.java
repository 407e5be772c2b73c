package synod.e2e;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.seata.rm.RMClient;
import org.apache.seata.tm.TMClient;

/**
 * Seata's own client, told what to do line by line: arguments are the application's name and its roles (tm, rm or both); the
 * server's address is the system property service.default.grouplist, as for any Seata application.
 *
 * <p>Each line is a {@link Command}; the lines of one session are carried out in turn in a thread of its own, as Seata ties
 * a transaction to a thread. Each has one answer with its number; calls of TCC actions are events between them.
 */
public final class SeataClient {
    private static final String GROUP = "synod";

    private SeataClient() {}

    public static void main(String[] arguments) throws IOException {
        Json.to(System.out);
        System.setOut(System.err);
        String application = arguments[0];
        if (!arguments[1].equals("rm")) {
            TMClient.init(application, GROUP);
        }
        if (!arguments[1].equals("tm")) {
            RMClient.init(application, GROUP);
        }
        Resources resources = new Resources(application, GROUP);
        Json.print(Json.object("ready", true));
        Map<String, Session> sessions = new HashMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Command command = Command.of(line);
            // Sessions may all wait for it, so that it is for none of them.
            if (command.verb().equals("release")) {
                resources.action(command.argument(0)).release();
                command.answer();
            } else {
                sessions.computeIfAbsent(command.session(), name -> new Session(name, resources)).offer(command);
            }
        }
        System.exit(0);
    }
}
