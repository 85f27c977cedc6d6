// Requests the ticks of one topic again, for Subscriber.java: bus/PROTOCOL.md sections 4.1 and 7.3.
import java.util.ArrayList;
import java.util.List;
import org.msgpack.value.Value;
import org.zeromq.ZMQ;

final class Replays {
    private final ZMQ.Socket dealer;
    private final String topic;

    /** Ticks, and the number behind the last one that is answered. */
    record Answer(List<Wire.Publication> ticks, long further) {}

    Replays(String frontend, String topic) {
        dealer = Wire.dealer(frontend, 1000, 0); // after a second without an answer the request is repeated
        this.topic = topic;
    }

    Answer replay(long first, long last) {
        var args = Wire.map("topic", Wire.text(topic), "from", Wire.number(first), "to", Wire.number(last));
        while (true) {
            var id = Wire.newId();
            var request = List.<Value>of(id, Wire.text("hulak.replay"), Wire.text(""), args, Wire.map());
            dealer.send(new Wire.Message('Q', request).frame(), 0);
            var ticks = new ArrayList<Wire.Publication>();
            Wire.Message answer;
            while ((answer = answer(id)) != null) {
                if (answer.kind() != 'P') return new Answer(ticks, Math.min(further(answer, last + 1), last + 1));
                for (var row : answer.values().get(2).asArrayValue())
                    ticks.add(Wire.Publication.of(row.asArrayValue().get(1).asRawValue().asByteArray()));
            }
        }
    }

    /** What REPLY or ERROR say: nothing before this number is available. */
    private static long further(Wire.Message answer, long otherwise) {
        boolean replied = answer.kind() == 'R';
        var details = answer.values().get(replied ? 1 : 3).asMapValue().map();
        var further = details.get(Wire.text(replied ? "next" : "oldest"));
        return further == null || further.isNilValue() ? otherwise : further.asIntegerValue().asLong();
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
}
