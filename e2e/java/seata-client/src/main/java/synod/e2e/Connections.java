package synod.e2e;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The local transactions of a session. */
final class Connections {
    private final Resources resources;
    private final Map<String, Connection> open = new HashMap<>();

    Connections(Resources resources) {
        this.resources = resources;
    }

    void begin(String database) throws SQLException {
        Connection connection = resources.database(database).getConnection();
        connection.setAutoCommit(false);
        open.put(database, connection);
    }

    void end(String database, boolean commit) throws SQLException {
        try (Connection connection = open.remove(database)) {
            try {
                if (commit) {
                    connection.commit();
                } else {
                    connection.rollback();
                }
            } catch (SQLException e) {
                connection.rollback();
                throw e;
            } finally {
                connection.setAutoCommit(true);
            }
        }
    }

    /** In the local transaction if one is open, else in one of its own. Rows, or how many were changed. */
    Object[] run(String database, String statement) throws SQLException {
        Connection local = open.get(database);
        if (local != null) {
            return run(local, statement);
        }
        try (Connection connection = resources.database(database).getConnection()) {
            return run(connection, statement);
        }
    }

    private static Object[] run(Connection connection, String text) throws SQLException {
        // Seata's proxy rewrites statements that are prepared.
        try (Statement statement = connection.createStatement()) {
            if (!statement.execute(text)) {
                return new Object[] {"changed", statement.getUpdateCount()};
            }
            List<List<String>> rows = new ArrayList<>();
            try (ResultSet found = statement.getResultSet()) {
                while (found.next()) {
                    List<String> row = new ArrayList<>();
                    for (int i = 1; i <= found.getMetaData().getColumnCount(); i++) {
                        row.add(found.getString(i));
                    }
                    rows.add(row);
                }
            }
            return new Object[] {"rows", rows};
        }
    }
}
