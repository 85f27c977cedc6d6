// A subscriber in C++17 that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//
//     apt-get install g++ cppzmq-dev libmsgpack-cxx-dev
//     g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST -o subscriber subscriber.cpp -lzmq
//     ./subscriber ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
#include "hulak_replay.hpp"
#include <cmath>
#include <iomanip>
#include <iostream>

struct Tick {
    std::optional<double> bid, ask; // nil: that side of the book is empty
    MSGPACK_DEFINE_MAP(bid, ask);   // other keys are ignored
};

struct Heartbeat {
    std::map<std::string, uint64_t> topics; // the last sequence of each
    MSGPACK_DEFINE_MAP(topics);
};

class Subscriber { // of one topic; `expected` is the next sequence, 0 before the first; `remaining` ticks are to be printed
    zmq::context_t context;
    zmq::socket_t live{context, zmq::socket_type::sub}, dealer{context, zmq::socket_type::dealer};
    std::string topic;
    uint64_t remaining, expected = 0, epoch = 0;

  public:
    Subscriber(const std::string &publisher, const std::string &frontend, const std::string &topic, uint64_t count)
        : topic(topic), remaining(count) {
        live.set(zmq::sockopt::rcvhwm, 100'000);  // libzmq's default of 1,000 is less than a burst
        live.set(zmq::sockopt::sndhwm, 0);        // or it drops subscriptions beyond 1,000
        dealer.set(zmq::sockopt::rcvtimeo, 1000); // ms; without an answer the request is repeated
        for (const std::string &name : {topic, std::string("heartbeat")})
            live.set(zmq::sockopt::subscribe, name + '\0'); // without the NUL, tick.EURUSDX would match too
        hulak::connect(live, publisher), hulak::connect(dealer, frontend);
    }

    void run() {
        for (zmq::message_t frame; remaining;) {
            (void)live.recv(frame);
            const hulak::Publication seen({frame.data<char>(), frame.size()});
            const bool is_tick = seen.topic == topic;
            const uint64_t last = is_tick ? seen.sequence : seen.topic == "heartbeat" ? seen.body<Heartbeat>().topics[topic] : 0;
            if (!last || seen.epoch < epoch || (!is_tick && !expected)) continue;
            if (!expected) expected = last;
            if (seen.epoch > epoch) { // it may use numbers again, for other ticks
                expected = std::min(expected, last + 1);
                while (epoch && expected > 1 && is_newer(expected - 1)) expected--;
                epoch = seen.epoch;
            }
            repair(is_tick ? last - 1 : last); // a heartbeat reveals a lost last tick too
            if (is_tick) show(seen);
        }
    }

  private:
    void show(const hulak::Publication &tick) { // the next one, or those before it are no longer available
        if (!remaining || tick.sequence < expected || tick.epoch > epoch) return;
        const auto [bid, ask] = tick.body<Tick>();
        std::cout << tick.sequence << ' ' << bid.value_or(NAN) << ' ' << ask.value_or(NAN) << std::endl;
        expected = tick.sequence + 1, remaining--;
    }

    bool is_newer(uint64_t sequence) { // than all ticks that were seen
        auto [rows, next] = hulak::replay(dealer, {topic, sequence, sequence});
        return !rows.empty() && hulak::Publication(rows[0]).epoch > epoch;
    }

    void repair(uint64_t last) { // live ticks wait meanwhile; an overflow of their queue is the next gap
        while (expected <= last && remaining) {
            auto [rows, next] = hulak::replay(dealer, {topic, expected, std::min(last, expected + remaining - 1)});
            for (const std::string &row : rows) show(hulak::Publication(row));
            expected = std::max(expected, next);
        }
    }
};

int main(int count, char **words) {
    if (count != 5) return std::cerr << "subscriber PUBLISHER FRONTEND TOPIC COUNT\n", 2;
    std::cout << std::setprecision(15);
    Subscriber(words[1], words[2], words[3], std::stoull(words[4])).run();
}
