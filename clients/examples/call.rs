//! Calls of an action in Rust: bus/PROTOCOL.md section 4.
//!
//!     cargo run --release --bin call ipc://$run/frontend.ipc sums add 3
//!
//! Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
mod hulak;
mod hulak_value;
use hulak::{map, number, text, Result, Value};
use std::time::{Duration, Instant};

const AGAIN_MS: i32 = 1000; // without an answer the request is sent again, under its id: the broker joins the two
const GIVE_UP: Duration = Duration::from_secs(60);

/// Returns the kind of the last answer, its value or code, and the parts.
fn call(dealer: &zmq::Socket, service: &str, action: &str, args: Value) -> Result<(char, Value, Vec<Value>)> {
    let (id, deadline) = (hulak::new_id()?, Instant::now() + GIVE_UP);
    let mut parts = vec![];
    while Instant::now() < deadline {
        let options = map([("timeout_ms", number(GIVE_UP.as_millis() as u64))]);
        hulak::send(dealer, 'Q', [id.clone(), text(service), text(action), args.clone(), options])?;
        while let Some((kind, answer)) = hulak::receive(dealer)? {
            if *answer.at(0) != id {
                continue; // of an earlier call
            }
            if kind != 'P' {
                return Ok((kind, answer.at(1).clone(), parts));
            }
            if *answer.at(1) == number(1) {
                parts.clear(); // another attempt sends its parts from the first one on
            }
            parts.push(answer.at(2).clone());
        }
    }
    Ok(('E', text("NO_ANSWER"), parts))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, frontend, service, action, count] = &words[..] else { return Err("call FRONTEND SERVICE ACTION COUNT".into()) };
    let dealer = zmq::Context::new().socket(zmq::DEALER)?;
    dealer.set_rcvtimeo(AGAIN_MS)?;
    dealer.set_linger(0)?;
    hulak::connect(&dealer, frontend)?;
    for n in 1..=count.parse()? {
        let (kind, value, parts) = call(&dealer, service, action, map([("a", number(n)), ("b", number(n))]))?;
        for part in parts {
            println!("part {part}");
        }
        println!("{} {value}", if kind == 'R' { "reply" } else { "error" });
    }
    Ok(())
}
