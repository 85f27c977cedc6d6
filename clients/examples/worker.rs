//! A worker in Rust: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//!
//!     cargo run --release --bin worker ipc://$run/backend.ipc sums
//!     hulak task call sums add '{"a": 1, "b": 2}'
//!
//! With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
mod hulak;
mod hulak_value;
use hulak::{map, number, text, Result, Value};
use std::process;
use std::time::{Duration, Instant};

const BEAT: Duration = Duration::from_millis(250);

struct Worker {
    socket: zmq::Socket,
    service: String,
    name: String, // another one after each start
    held: Vec<(Instant, [Value; 4])>, // RESULTs: id, attempt, done, value; each is sent once it is due and the broker knows us
    epoch: Value, // nil before the first HEARTBEAT
    known: bool,
    retired: bool,
}

impl Worker {
    fn run(&mut self) -> Result<()> {
        self.ready()?;
        let mut beat_at = Instant::now();
        while !self.retired || !self.held.is_empty() {
            if let Some((kind, values)) = hulak::receive(&self.socket)? {
                self.take(kind, &values)?;
            }
            self.finish()?;
            if Instant::now() >= beat_at {
                hulak::send(&self.socket, 'H', [self.names(), Value::Nil])?;
                beat_at = Instant::now() + BEAT;
            }
        }
        hulak::send(&self.socket, 'G', [text("retired")])
    }

    fn names(&self) -> Value {
        Value::Array(self.held.iter().map(|(_, result)| Value::Array(result[..2].to_vec())).collect())
    }

    fn ready(&self) -> Result<()> {
        let (credit, info) = (u64::from(!self.retired), map([("pid", number(process::id().into()))]));
        hulak::send(&self.socket, 'Y', [text(&self.service), text(&self.name), number(credit), self.names(), info])
    }

    fn take(&mut self, kind: char, values: &Value) -> Result<()> {
        match kind {
            'H' => {
                let epoch = values.at(0).clone();
                self.known = *values.at(1) == Value::Bool(true) && (self.epoch == Value::Nil || self.epoch == epoch);
                self.epoch = epoch;
                if !self.known {
                    self.ready()?; // the broker answers with HEARTBEAT
                }
            }
            'T' if !self.retired => self.begin(values), // else the broker gives it to another worker
            'X' => self.retired = true,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, task: &Value) {
        let (action, args) = (task.at(2), task.at(3));
        let result = match (action, args.get("a"), args.get("b")) {
            (Value::Text(name), Value::Int(a), Value::Int(b)) if name == "add" => Ok(Value::Int(a + b)),
            _ => Err(format!("action {action} with {args:?} is unknown, must be add of the integers a and b")),
        };
        let fault = |why: &String| map([("code", text("UNKNOWN_ACTION")), ("text", text(why))]);
        let (done, value) = (Value::Bool(result.is_ok()), result.unwrap_or_else(|why| fault(&why)));
        let due = Instant::now() + Duration::from_millis(args.get("ms").unsigned().unwrap_or(0));
        self.held.push((due, [task.at(0).clone(), task.at(1).clone(), done, value]));
    }

    fn finish(&mut self) -> Result<()> { // sends the results that are due
        let now = Instant::now();
        for (_, result) in self.held.iter().filter(|(due, _)| self.known && *due <= now) {
            hulak::send(&self.socket, 'R', result.clone())?;
        }
        self.held.retain(|(due, _)| !self.known || *due > now);
        Ok(())
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, backend, service] = &words[..] else { return Err("worker BACKEND SERVICE".into()) };
    let socket = zmq::Context::new().socket(zmq::DEALER)?;
    socket.set_rcvtimeo(10)?; // ms
    socket.set_linger(1000)?;
    hulak::connect(&socket, backend)?;
    let name = format!("rust/{}/{:?}", process::id(), hulak::new_id()?);
    Worker { socket, service: service.clone(), name, held: vec![], epoch: Value::Nil, known: false, retired: false }.run()
}
