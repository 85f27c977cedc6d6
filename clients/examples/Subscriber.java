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
import org.zeromq.ZMQ;

public class Subscriber {
    private final ZMQ.Socket live = Wire.socket(ZMQ.SUB);
    private final Replays replays;
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
        replays = new Replays(frontend, topic);
    }

    void run() {
        while (remaining > 0) {
            var message = Wire.Publication.of(live.recv(0));
            if (message.epoch() < epoch) continue; // of a broker that is no more
            if (message.topic().equals("heartbeat")) { // reveals a lost last tick too
                var last = message.body().get(Wire.text("topics")).asMapValue().map().get(Wire.text(topic));
                if (last != null && expected > 0) repair(message.epoch(), last.asIntegerValue().asLong());
            } else if (message.topic().equals(topic)) {
                if (expected == 0) expected = message.sequence();
                repair(message.epoch(), message.sequence() - 1);
                show(message);
            }
        }
    }

    /** A new tick is the next one, or the ticks before it are no longer available. */
    private void show(Wire.Publication tick) {
        if (remaining == 0 || tick.sequence() < expected || tick.epoch() > epoch) return;
        var body = tick.body();
        System.out.println(tick.sequence() + " " + body.get(Wire.text("bid")) + " " + body.get(Wire.text("ask")));
        expected = tick.sequence() + 1;
        remaining--;
    }

    /** Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap. */
    private void repair(long seen, long last) {
        if (seen > epoch) { // it may use numbers again for other ticks: the first of them is expected
            expected = Math.min(expected, last + 1);
            while (epoch > 0 && expected > 1 && usedAgain(expected - 1)) expected--;
            epoch = seen;
        }
        while (expected <= last && remaining > 0) {
            var answer = replays.replay(expected, Math.min(last, expected + remaining - 1));
            answer.ticks().forEach(this::show);
            expected = Math.max(expected, answer.further());
        }
    }

    private boolean usedAgain(long number) {
        return replays.replay(number, number).ticks().stream().anyMatch(tick -> tick.epoch() > epoch);
    }

    public static void main(String[] args) {
        new Subscriber(args[0], args[1], args[2], Long.parseLong(args[3])).run();
        System.exit(0); // JeroMQ's threads would keep the program running
    }
}
