// Calls of an action in Java: bus/PROTOCOL.md section 4.
//
//     apt-get install default-jdk-headless libjeromq-java libmsgpack-java
//     export CLASSPATH=.:/usr/share/java/jeromq.jar:/usr/share/java/msgpack-core.jar
//     javac Call.java
//     java Call tcp://127.0.0.1:5552 sums add 3
//
// Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
import java.util.ArrayList;
import java.util.List;
import org.msgpack.value.Value;
import org.zeromq.ZMQ;

public class Call {
    private static final int AGAIN_MS = 1000; // without an answer the request is sent again, under its id
    private static final long GIVE_UP_S = 60;

    /** How a call ended: `R` with its value or `E` with its code, and its parts. */
    record Outcome(char kind, Value value, List<Value> parts) {}

    static Outcome call(ZMQ.Socket dealer, String service, String action, Value args) {
        var id = Wire.newId();
        var options = Wire.map("timeout_ms", Wire.number(GIVE_UP_S * 1000));
        var request = new Wire.Message('Q', List.of(id, Wire.text(service), Wire.text(action), args, options)).frame();
        var parts = new ArrayList<Value>();
        long deadline = System.nanoTime() + GIVE_UP_S * 1_000_000_000;
        while (System.nanoTime() < deadline) {
            dealer.send(request, 0); // the broker joins it with the one in progress
            byte[] frame;
            while ((frame = dealer.recv(0)) != null) {
                var answer = Wire.Message.of(frame);
                var values = answer.values();
                if (!values.get(0).equals(id)) continue; // of an earlier call, or nil
                if (answer.kind() != 'P') return new Outcome(answer.kind(), values.get(1), parts);
                if (values.get(1).equals(Wire.number(1))) parts.clear(); // another attempt sends its parts from the first on
                parts.add(values.get(2));
            }
        }
        return new Outcome('E', Wire.text("NO_ANSWER"), parts);
    }

    public static void main(String[] arguments) {
        var dealer = Wire.dealer(arguments[0], AGAIN_MS, 0);
        for (long n = 1; n <= Long.parseLong(arguments[3]); n++) {
            var args = Wire.map("a", Wire.number(n), "b", Wire.number(n));
            var outcome = call(dealer, arguments[1], arguments[2], args);
            for (var part : outcome.parts) System.out.println("part " + part);
            System.out.println((outcome.kind == 'R' ? "reply " : "error ") + outcome.value);
        }
        System.exit(0); // JeroMQ's threads would keep the program running
    }
}
