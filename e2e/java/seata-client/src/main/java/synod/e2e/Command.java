package synod.e2e;

/** A line of input: number, session, verb and arguments, with tabs between them. */
record Command(String number, String session, String verb, String[] arguments) {
    static Command of(String line) {
        String[] words = line.split("\t", -1);
        String[] arguments = new String[words.length - 3];
        System.arraycopy(words, 3, arguments, 0, arguments.length);
        return new Command(words[0], words[1], words[2], arguments);
    }

    String argument(int index) {
        return arguments[index];
    }

    int number(int index) {
        return Integer.parseInt(arguments[index]);
    }

    /** Names and values in turn. */
    void answer(Object... fields) {
        Object[] all = new Object[fields.length + 2];
        all[0] = "answer";
        all[1] = Long.valueOf(number);
        System.arraycopy(fields, 0, all, 2, fields.length);
        Json.print(Json.object(all));
    }

    void fail(Throwable failure) {
        StringBuilder why = new StringBuilder();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            why.append(why.isEmpty() ? "" : " <- ").append(cause.getClass().getSimpleName()).append(": ")
                    .append(cause.getMessage());
        }
        answer("error", why);
    }
}
