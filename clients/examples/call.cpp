// Calls of an action in C++17: bus/PROTOCOL.md section 4.
//
//     apt-get install g++ cppzmq-dev libmsgpack-cxx-dev
//     g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST -o call call.cpp -lzmq
//     ./call ipc://$run/frontend.ipc sums add 3
//
// Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
#include "hulak.hpp"
#include <chrono>
#include <iostream>

using Clock = std::chrono::steady_clock;
constexpr int AGAIN_MS = 1000; // without an answer the request is sent again, under its id: the broker joins the two
constexpr std::chrono::milliseconds GIVE_UP{60'000};

struct Outcome {
    bool done = false;
    std::string value = "NO_ANSWER"; // or the code of the error
    std::vector<std::string> parts = {};
};

static std::string as_text(const msgpack::object &value) {
    if (value.type == msgpack::type::STR) return value.as<std::string>();
    std::ostringstream text;
    return text << value, text.str();
}

static Outcome call(zmq::socket_t &dealer, const std::string &service, const std::string &action, const hulak::Numbers &args) {
    const hulak::Bytes id = hulak::new_id();
    const auto deadline = Clock::now() + GIVE_UP;
    Outcome outcome;
    while (Clock::now() < deadline) {
        hulak::send(dealer, 'Q', id, service, action, args, hulak::Numbers{{"timeout_ms", GIVE_UP.count()}});
        while (hulak::Message answer = hulak::receive(dealer)) {
            if (!answer.answers(id)) continue; // to an earlier call
            if (answer.kind == 'P') {
                if (answer[1].as<uint64_t>() == 1) outcome.parts.clear(); // another attempt sends its parts from the first one on
                outcome.parts.push_back(as_text(answer[2]));
                continue;
            }
            outcome.done = answer.kind == 'R', outcome.value = as_text(answer[1]);
            return outcome;
        }
    }
    return outcome;
}

int main(int count, char **words) {
    if (count != 5) return std::cerr << "call FRONTEND SERVICE ACTION COUNT\n", 2;
    zmq::context_t context;
    zmq::socket_t dealer(context, zmq::socket_type::dealer);
    dealer.set(zmq::sockopt::rcvtimeo, AGAIN_MS);
    dealer.set(zmq::sockopt::linger, 0);
    hulak::connect(dealer, words[1]);
    for (uint64_t n = 1; n <= std::stoull(words[4]); n++) {
        const Outcome outcome = call(dealer, words[2], words[3], {{"a", n}, {"b", n}});
        for (const std::string &part : outcome.parts) std::cout << "part " << part << '\n';
        std::cout << (outcome.done ? "reply " : "error ") << outcome.value << std::endl;
    }
}
