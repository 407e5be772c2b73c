package synod.e2e;

import java.io.PrintStream;
import java.util.List;

/** Answers: an object a line. */
final class Json {
    private static PrintStream out;

    private Json() {}

    static void to(PrintStream stream) {
        out = stream;
    }

    static synchronized void print(String line) {
        out.println(line);
        out.flush();
    }

    /** Names and values in turn. */
    static String object(Object... fields) {
        StringBuilder text = new StringBuilder("{");
        for (int i = 0; i < fields.length; i += 2) {
            text.append(i == 0 ? "" : ",").append(value(fields[i])).append(':').append(value(fields[i + 1]));
        }
        return text.append('}').toString();
    }

    private static String value(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof List<?> list) {
            return list.stream().map(Json::value).collect(java.util.stream.Collectors.joining(",", "[", "]"));
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : value.toString().toCharArray()) {
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
