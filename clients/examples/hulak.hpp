// What the programs in C++17 share, with cppzmq and msgpack-cxx: messages, and connecting. bus/PROTOCOL.md sections 4.1 and 14.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <msgpack.hpp>
#include <zmq.hpp>

namespace hulak {

using Numbers = std::map<std::string, uint64_t>;
using Bytes = std::vector<char>; // packed as bin, and the msgpack::object of a bin converts to it

// 16 random bytes: unique also over time.
inline Bytes new_id() {
    std::random_device random; // the operating system's
    Bytes id(16);
    for (char &byte : id) byte = static_cast<char>(random());
    return id;
}

// Sends one byte of kind and a msgpack array of the values.
template <class... Values> void send(zmq::socket_t &socket, char kind, const Values &...values) {
    msgpack::sbuffer buffer;
    buffer.write(&kind, 1);
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    packer.pack_array(sizeof...(values));
    (packer.pack(values), ...);
    socket.send(zmq::buffer(buffer.data(), buffer.size()));
}

// A received message; its kind is 0 if none arrived within the socket's time limit.
struct Message {
    char kind = 0;
    msgpack::object_handle array = {};

    explicit operator bool() const { return kind != 0; }
    const msgpack::object &operator[](size_t at) const {
        const auto &fields = array.get().via.array;
        if (array.get().type != msgpack::type::ARRAY || at >= fields.size) throw std::runtime_error("a message is too short");
        return fields.ptr[at];
    }

    // Whether it answers this request; the id of an answer to bytes that could not be read is nil.
    bool answers(const Bytes &id) const { return (*this)[0].type == msgpack::type::BIN && (*this)[0].as<Bytes>() == id; }
};

inline Message receive(zmq::socket_t &socket) {
    zmq::message_t frame;
    if (!socket.recv(frame) || frame.size() < 2) return {};
    const char *bytes = frame.data<char>();
    return {bytes[0], msgpack::unpack(bytes + 1, frame.size() - 1)}; // copies: the frame need not be kept
}

// Connects a socket: with a key (CURVE) if HULAK_KEY names its file and the address is TCP.
inline void connect(zmq::socket_t &socket, const std::string &address) {
    const char *path = std::getenv("HULAK_KEY");
    if (!path || !*path || address.rfind("tcp://", 0) != 0) return socket.connect(address);
    std::ifstream file(path);
    std::map<std::string, std::string> key;
    const std::regex pair("(\\w+) = \"(.*)\"");
    std::smatch match;
    for (std::string line; std::getline(file, line);)
        if (std::regex_match(line, match, pair)) key[match[1]] = match[2];
    socket.set(zmq::sockopt::immediate, true); // nothing is queued for a connection that is not made
    socket.set(zmq::sockopt::curve_publickey, key.at("public"));
    socket.set(zmq::sockopt::curve_secretkey, key.at("secret"));
    socket.set(zmq::sockopt::curve_serverkey, key.at("server"));
    socket.connect(address);
    if (!key.count("server_next")) return;
    socket.set(zmq::sockopt::curve_serverkey, key["server_next"]); // the broker's key is being replaced: one of the two is made
    socket.connect("tcp://0.0.0.0:0;" + address.substr(6)); // libzmq connects to one text of an address only once
}

} // namespace hulak
