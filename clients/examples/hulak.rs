//! What the programs in Rust share: publications, messages, and connecting. bus/PROTOCOL.md sections 3.1, 4.1 and 14.
#![allow(dead_code)] // no program needs all of it
pub use crate::hulak_value::{Result, Value};
use std::{collections::HashMap, env, fmt, fs, io::Read};

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub fn number(number: u64) -> Value {
    Value::Int(number.into())
}

pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (text(key), value)).collect())
}

pub struct Publication {
    pub topic: String,
    pub epoch: u64,
    pub sequence: u64,
    pub body: Value,
}

impl Publication {
    pub fn open(frame: &[u8]) -> Result<Publication> { // topic NUL epoch sequence time_ns body
        let cut = frame.iter().position(|byte| *byte == 0).ok_or("a publication without a NUL")?;
        let stamp = frame.get(cut + 1..cut + 25).ok_or("a publication is cut")?;
        let (epoch, sequence) = (u64::from_be_bytes(stamp[..8].try_into()?), u64::from_be_bytes(stamp[8..16].try_into()?));
        let topic = String::from_utf8(frame[..cut].to_vec())?;
        Ok(Publication { topic, epoch, sequence, body: Value::read(&mut &frame[cut + 25..])? })
    }
}

/// Numbers and texts as they are printed; a bid or ask of nil is the side of a book that is empty.
impl fmt::Display for Value {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Int(number) => number.fmt(to),
            Value::Float(number) => number.fmt(to),
            Value::Text(text) => text.fmt(to),
            Value::Nil => "nil".fmt(to),
            other => fmt::Debug::fmt(other, to),
        }
    }
}

/// 16 random bytes: unique also over time.
pub fn new_id() -> Result<Value> {
    let mut id = vec![0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut id)?;
    Ok(Value::Bytes(id))
}

/// Sends one byte of kind and a msgpack array of the values.
pub fn send<const N: usize>(socket: &zmq::Socket, kind: char, values: [Value; N]) -> Result<()> {
    let mut frame = vec![kind as u8];
    Value::Array(values.into()).write(&mut frame)?;
    Ok(socket.send(frame, 0)?)
}

/// Receives a message: its kind, and its array; none within the socket's time limit.
pub fn receive(socket: &zmq::Socket) -> Result<Option<(char, Value)>> {
    match socket.recv_bytes(0) {
        Ok(frame) => Ok(Some((*frame.first().ok_or("an empty message")? as char, Value::read(&mut &frame[1..])?))),
        Err(zmq::Error::EAGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Connects a socket: with a key (CURVE) if HULAK_KEY names its file and the address is TCP.
pub fn connect(socket: &zmq::Socket, address: &str) -> Result<()> {
    let path = env::var("HULAK_KEY").unwrap_or_default();
    let (false, Some(place)) = (path.is_empty(), address.strip_prefix("tcp://")) else { return Ok(socket.connect(address)?) };
    let file = fs::read_to_string(path)?;
    let key: HashMap<_, _> = file.lines().filter_map(|line| line.split_once(" = ")).collect();
    let part = |name: &str| key.get(name).map(|quoted| zmq::z85_decode(quoted.trim_matches('"'))).transpose();
    socket.set_immediate(true)?; // nothing is queued for a connection that is not made
    socket.set_curve_publickey(&part("public")?.ok_or("the key file has no public")?)?;
    socket.set_curve_secretkey(&part("secret")?.ok_or("the key file has no secret")?)?;
    socket.set_curve_serverkey(&part("server")?.ok_or("the key file has no server")?)?;
    socket.connect(address)?;
    if let Some(next) = part("server_next")? {
        socket.set_curve_serverkey(&next)?; // the broker's key is being replaced: of these two connections only one is made
        socket.connect(&format!("tcp://0.0.0.0:0;{place}"))?; // libzmq connects to one text of an address only once
    }
    Ok(())
}
