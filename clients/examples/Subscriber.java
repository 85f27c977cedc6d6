// A subscriber in Java that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//
//     apt-get install default-jdk-headless libjeromq-java libmsgpack-java
//     export CLASSPATH=.:/usr/share/java/jeromq.jar:/usr/share/java/msgpack-core.jar
//     javac Subscriber.java
//     java Subscriber tcp://127.0.0.1:5551 tcp://127.0.0.1:5552 tick.EURUSD 100
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.msgpack.value.Value;
import org.zeromq.ZMQ;

public class Subscriber {
    private final ZMQ.Socket live = Wire.socket(ZMQ.SUB), dealer;
    private final String topic;
    private long remaining, expected, epoch; // ticks to print; the next sequence, 0 before the first

    Subscriber(String publisher, String frontend, String topic, long count) {
        this.topic = topic;
        remaining = count;
        live.setRcvHWM(100_000); // the default of 1,000 is less than a burst
        live.setSndHWM(0); // or subscriptions beyond 1,000 are dropped
        for (var name : List.of(topic, "heartbeat")) // without the NUL tick.EURUSDX matches too
            live.subscribe((name + "\0").getBytes(StandardCharsets.US_ASCII));
        live.connect(publisher);
        dealer = Wire.dealer(frontend, 1000, 0); // after a second without an answer the request is repeated
    }

    void run() {
        while (remaining > 0) {
            var message = Wire.Publication.of(live.recv(0));
            if (message.topic().equals("heartbeat")) { // reveals a lost last tick too
                var last = message.body().get(Wire.text("topics")).asMapValue().map().get(Wire.text(topic));
                if (last != null) repair(last.asIntegerValue().asLong());
            } else if (message.topic().equals(topic) && message.epoch() >= epoch) {
                // numbers that the broker uses again, for other ticks, begin anew
                boolean again = message.epoch() > epoch && message.sequence() < expected;
                if (expected == 0 || again) expected = message.sequence();
                epoch = message.epoch();
                repair(message.sequence() - 1);
                show(message);
            }
        }
    }

    /** A new tick is the next one, or the ticks before it are no longer available. */
    private void show(Wire.Publication tick) {
        if (remaining == 0 || tick.sequence() < expected) return;
        var body = tick.body();
        System.out.println(tick.sequence() + " " + body.get(Wire.text("bid")) + " " + body.get(Wire.text("ask")));
        expected = tick.sequence() + 1;
        remaining--;
    }

    /** Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap. */
    private void repair(long last) {
        while (expected > 0 && expected <= last && remaining > 0) {
            var id = Wire.newId();
            long upto = Math.min(last, expected + remaining - 1);
            var args = Wire.map("topic", Wire.text(topic), "from", Wire.number(expected), "to", Wire.number(upto));
            var request = List.<Value>of(id, Wire.text("hulak.replay"), Wire.text(""), args, Wire.map());
            dealer.send(new Wire.Message('Q', request).frame(), 0);
            Wire.Message answer;
            while ((answer = answer(id)) != null) {
                if (answer.kind() == 'P') {
                    for (var row : answer.values().get(2).asArrayValue())
                        show(Wire.Publication.of(row.asArrayValue().get(1).asRawValue().asByteArray()));
                    continue;
                } // else REPLY or ERROR: nothing before `further` is available
                boolean replied = answer.kind() == 'R';
                var details = answer.values().get(replied ? 1 : 3).asMapValue().map();
                var further = details.get(Wire.text(replied ? "next" : "oldest"));
                boolean known = further != null && !further.isNilValue();
                expected = Math.max(expected, known ? Math.min(further.asIntegerValue().asLong(), upto + 1) : upto + 1);
                break;
            }
        }
    }

    /** The next answer to a request; null after a second, also of BUSY: in a second again. */
    private Wire.Message answer(Value id) {
        byte[] frame;
        while ((frame = dealer.recv(0)) != null) {
            var answer = Wire.Message.of(frame);
            boolean busy = answer.kind() == 'E' && answer.values().get(1).equals(Wire.text("BUSY"));
            if (answer.values().get(0).equals(id) && !busy) return answer;
        }
        return null;
    }

    public static void main(String[] args) {
        new Subscriber(args[0], args[1], args[2], Long.parseLong(args[3])).run();
        System.exit(0); // JeroMQ's threads would keep the program running
    }
}
