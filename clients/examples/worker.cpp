// A worker in C++17: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//
//     apt-get install g++ cppzmq-dev libmsgpack-cxx-dev
//     g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST -o worker worker.cpp -lzmq
//     ./worker ipc://$run/backend.ipc sums
//     hulak task call sums add '{"a": 1, "b": 2}'
//
// With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
#include "hulak.hpp"
#include <chrono>
#include <iostream>
#include <unistd.h>

using Clock = std::chrono::steady_clock;
using Names = std::vector<std::pair<hulak::Bytes, uint64_t>>; // ids and attempts
constexpr auto BEAT = std::chrono::milliseconds(250);

struct Sum { // the arguments of `add`
    int64_t a = 0, b = 0, ms = 0;
    MSGPACK_DEFINE_MAP(a, b, ms);
};

struct Held { // a task: its result is sent once it is due and the broker knows the worker
    uint64_t attempt;
    Clock::time_point due;
    int64_t sum = 0;
    std::map<std::string, std::string> fault = {}; // why it failed; empty: it is done
};

class Worker {
    zmq::context_t context;
    zmq::socket_t socket{context, zmq::socket_type::dealer};
    std::string service, name;
    std::map<hulak::Bytes, Held> held;
    uint64_t epoch = 0;
    bool known = false, retired = false;

  public:
    Worker(const std::string &backend, const std::string &service)
        : service(service), name("c++/" + std::to_string(getpid()) + "/" + std::to_string(std::random_device()())) {
        socket.set(zmq::sockopt::rcvtimeo, 10); // ms
        socket.set(zmq::sockopt::linger, 1000);
        hulak::connect(socket, backend);
    }

    void run() {
        ready();
        for (Clock::time_point beat_at; !retired || !held.empty();) {
            if (const hulak::Message message = hulak::receive(socket)) take(message);
            finish();
            if (Clock::now() < beat_at) continue;
            hulak::send(socket, 'H', names(), msgpack::type::nil_t());
            beat_at = Clock::now() + BEAT;
        }
        hulak::send(socket, 'G', "retired");
    }

  private:
    Names names() const {
        Names all;
        for (const auto &[id, task] : held) all.emplace_back(id, task.attempt);
        return all;
    }

    void ready() { hulak::send(socket, 'Y', service, name, retired ? 0 : 1, names(), hulak::Numbers{{"pid", getpid()}}); }

    void take(const hulak::Message &message) {
        if (message.kind == 'H') {
            const uint64_t seen = message[0].as<uint64_t>();
            known = message[1].as<bool>() && (!epoch || epoch == seen);
            if (!known) ready(); // the broker answers with HEARTBEAT
            epoch = seen;
        } else if (message.kind == 'T' && !retired) { // else the broker gives it to another worker
            Held &task = held[message[0].as<hulak::Bytes>()] = {message[1].as<uint64_t>(), Clock::now()};
            const auto action = message[2].as<std::string>();
            const auto [a, b, ms] = message[3].as<Sum>();
            task.sum = a + b, task.due += std::chrono::milliseconds(ms);
            if (action != "add") task.fault = {{"code", "UNKNOWN_ACTION"}, {"text", "action " + action + " is unknown, must be add"}};
        } else if (message.kind == 'X') {
            retired = true;
        }
    }

    void finish() { // sends the results that are due
        for (auto item = held.begin(); known && item != held.end();) {
            const auto &[id, task] = *item;
            const bool is_due = task.due <= Clock::now(), done = task.fault.empty();
            if (is_due && done) hulak::send(socket, 'R', id, task.attempt, true, task.sum);
            if (is_due && !done) hulak::send(socket, 'R', id, task.attempt, false, task.fault);
            item = is_due ? held.erase(item) : std::next(item);
        }
    }
};

int main(int count, char **words) {
    if (count != 3) return std::cerr << "worker BACKEND SERVICE\n", 2;
    Worker(words[1], words[2]).run();
}
