// Publications, and replays of missed ones, in C++17: bus/PROTOCOL.md sections 3.1 and 7.3.
#pragma once
#include "hulak.hpp"
#include <algorithm>
#include <optional>
#include <string_view>

namespace hulak {

// A publication: topic NUL epoch sequence time_ns body. It refers to its frame, which has to be kept.
struct Publication {
    std::string_view topic, packed;
    uint64_t epoch, sequence;

    explicit Publication(std::string_view frame) {
        const size_t cut = frame.find('\0');
        if (cut == frame.npos || frame.size() < cut + 26) throw std::runtime_error("a publication is too short");
        topic = frame.substr(0, cut), packed = frame.substr(cut + 25);
        epoch = big_endian(frame.substr(cut + 1, 8)), sequence = big_endian(frame.substr(cut + 9, 8));
    }

    template <class Body> Body body() const { return msgpack::unpack(packed.data(), packed.size())->as<Body>(); }

    static uint64_t big_endian(std::string_view bytes) {
        uint64_t value = 0;
        for (unsigned char byte : bytes) value = value << 8 | byte;
        return value;
    }
};

struct Range {
    std::string topic;
    uint64_t from, to; // both inclusive
    MSGPACK_DEFINE_MAP(topic, from, to);
};

struct Further { // where a REPLY or an ERROR says that there are more ticks
    std::optional<uint64_t> next, oldest;
    MSGPACK_DEFINE_MAP(next, oldest);
};

// Requests ticks again, until there is an answer: their frames, and the first number that is not covered.
inline std::pair<std::vector<std::string>, uint64_t> replay(zmq::socket_t &dealer, const Range &range) {
    for (;;) {
        const Bytes id = new_id();
        std::vector<std::string> frames;
        send(dealer, 'Q', id, "hulak.replay", "", range, Numbers{});
        while (Message answer = receive(dealer)) {
            if (!answer.answers(id) || (answer.kind == 'E' && answer[1].as<std::string>() == "BUSY")) continue;
            if (answer.kind == 'P') {
                for (auto &row : answer[2].as<std::vector<std::pair<uint64_t, std::string>>>()) frames.push_back(row.second);
                continue;
            }
            const auto [next, oldest] = answer[answer.kind == 'R' ? 1 : 3].as<Further>();
            return {frames, std::min(next.value_or(oldest.value_or(range.to + 1)), range.to + 1)};
        }
    }
}

} // namespace hulak
