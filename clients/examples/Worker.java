// A worker in Java: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//
//     apt-get install default-jdk-headless libjeromq-java libmsgpack-java
//     export CLASSPATH=.:/usr/share/java/jeromq.jar:/usr/share/java/msgpack-core.jar
//     javac Worker.java
//     java Worker tcp://127.0.0.1:5553 sums
//
// With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
import java.util.ArrayList;
import java.util.List;
import org.msgpack.value.Value;
import org.msgpack.value.ValueFactory;
import org.zeromq.ZMQ;

public class Worker {
    private static final long BEAT_NS = 250_000_000;

    /** A task in progress, or with a result that was not sent. */
    private record Held(Value id, Value attempt, long dueNs, boolean done, Value value) {}
    private final ZMQ.Socket socket;
    private final Value service, name;
    private final List<Held> held = new ArrayList<>();
    private boolean known, retired;
    private long epoch;

    Worker(String backend, String service) {
        socket = Wire.dealer(backend, 10, 1000);
        this.service = Wire.text(service);
        name = Wire.text("java/" + ProcessHandle.current().pid() + "/" + System.nanoTime()); // another one after each start
    }

    void run() {
        ready();
        long beatAt = System.nanoTime();
        while (!retired || !held.isEmpty()) {
            var frame = socket.recv(0); // waits for 10 ms
            if (frame != null) take(Wire.Message.of(frame));
            finish();
            if (System.nanoTime() < beatAt) continue;
            send('H', names(), ValueFactory.newNil());
            beatAt = System.nanoTime() + BEAT_NS;
        }
        send('G', Wire.text("retired"));
        Wire.close(socket);
    }

    private void send(char kind, Value... values) {
        socket.send(new Wire.Message(kind, List.of(values)).frame(), 0);
    }

    private Value names() {
        return Wire.array(held.stream().map(task -> Wire.array(List.of(task.id, task.attempt))).toList());
    }

    private void ready() {
        send('Y', service, name, Wire.number(retired ? 0 : 1), names(), Wire.map()); // without info
    }

    private void take(Wire.Message message) {
        switch (message.kind()) {
            case 'H' -> {
                long seen = message.values().get(0).asIntegerValue().asLong();
                boolean same = epoch == 0 || epoch == seen;
                known = same && message.values().get(1).asBooleanValue().getBoolean();
                epoch = seen;
                if (!known) ready(); // the broker's answer shows that it knows the worker
            }
            case 'T' -> begin(message.values());
            case 'X' -> retired = true;
            default -> { } // of a later version of the protocol
        }
    }

    private void begin(List<Value> task) {
        if (retired) return; // the broker gives it to another worker
        var action = task.get(2).toString();
        var args = task.get(3).asMapValue().map();
        if (!action.equals("add")) {
            var fault = Wire.map("code", Wire.text("UNKNOWN_ACTION"), "text", Wire.text("action " + action + " is unknown"));
            held.add(new Held(task.get(0), task.get(1), System.nanoTime(), false, fault));
            return;
        }
        long ms = args.getOrDefault(Wire.text("ms"), Wire.number(0)).asNumberValue().toLong();
        long sum = args.get(Wire.text("a")).asNumberValue().toLong() + args.get(Wire.text("b")).asNumberValue().toLong();
        held.add(new Held(task.get(0), task.get(1), System.nanoTime() + ms * 1_000_000, true, Wire.number(sum)));
    }

    /** Sends the results that are due, if the broker knows the worker. */
    private void finish() {
        if (!known) return;
        var due = held.stream().filter(task -> task.dueNs <= System.nanoTime()).toList();
        for (var task : due) send('R', task.id, task.attempt, ValueFactory.newBoolean(task.done), task.value);
        held.removeAll(due);
    }

    public static void main(String[] args) {
        new Worker(args[0], args[1]).run();
    }
}
