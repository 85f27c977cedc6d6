// What the programs in Java share: sockets, and the frames of bus/PROTOCOL.md sections 3.1, 4.1 and 5.1.
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import org.msgpack.core.MessagePack;
import org.msgpack.value.ArrayValue;
import org.msgpack.value.MapValue;
import org.msgpack.value.Value;
import org.msgpack.value.ValueFactory;
import org.zeromq.ZMQ;

final class Wire {
    private static final ZMQ.Context CONTEXT = ZMQ.context(1);
    private static final SecureRandom RANDOM = new SecureRandom();

    /** A publication: topic NUL epoch sequence time_ns body. */
    record Publication(String topic, long epoch, long sequence, Map<Value, Value> body) {
        static Publication of(byte[] frame) {
            int cut = 0;
            while (frame[cut] != 0) cut++;
            var stamp = ByteBuffer.wrap(frame, cut + 1, 24);
            var topic = new String(frame, 0, cut, StandardCharsets.US_ASCII);
            return new Publication(topic, stamp.getLong(), stamp.getLong(), Wire.value(frame, cut + 25).asMapValue().map());
        }
    }

    /** A message of frontend or backend: its kind and its values. */
    record Message(char kind, List<Value> values) {
        static Message of(byte[] frame) {
            return new Message((char) frame[0], Wire.value(frame, 1).asArrayValue().list());
        }

        byte[] frame() {
            try (var packer = MessagePack.newDefaultBufferPacker()) {
                packer.addPayload(new byte[] {(byte) kind});
                packer.packValue(ValueFactory.newArray(values));
                return packer.toByteArray();
            } catch (IOException impossible) { // it is written to memory
                throw new UncheckedIOException(impossible);
            }
        }
    }

    /** A DEALER. After `timeoutMs` without a message its recv() returns null. */
    static ZMQ.Socket dealer(String address, int timeoutMs, int lingerMs) {
        var socket = socket(ZMQ.DEALER);
        socket.setReceiveTimeOut(timeoutMs);
        socket.setLinger(lingerMs);
        socket.connect(address);
        return socket;
    }

    static ZMQ.Socket socket(int type) {
        return CONTEXT.socket(type);
    }

    static void close(ZMQ.Socket socket) {
        socket.close();
        CONTEXT.term(); // waits for LINGER, until all messages are sent
    }

    /** 16 random bytes, as bin: unique also over time. */
    static Value newId() {
        var id = new byte[16];
        RANDOM.nextBytes(id);
        return ValueFactory.newBinary(id);
    }

    static Value value(byte[] frame, int from) {
        try (var unpacker = MessagePack.newDefaultUnpacker(frame, from, frame.length - from)) {
            return unpacker.unpackValue();
        } catch (IOException impossible) { // it is read from memory
            throw new UncheckedIOException(impossible);
        }
    }

    static Value text(String value) {
        return ValueFactory.newString(value);
    }

    static Value number(long value) {
        return ValueFactory.newInteger(value);
    }

    static ArrayValue array(List<? extends Value> items) {
        return ValueFactory.newArray(items.toArray(new Value[0]));
    }

    /** A map: keys and values in turn. */
    static MapValue map(Object... entries) {
        var builder = ValueFactory.newMapBuilder();
        for (int n = 0; n < entries.length; n += 2) builder.put(text((String) entries[n]), (Value) entries[n + 1]);
        return builder.build();
    }
}
