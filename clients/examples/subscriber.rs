//! A subscriber in Rust that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//!
//!     cargo run --release --bin subscriber ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
//!
//! Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
mod hulak;
mod hulak_value;
use hulak::{map, number, text, Publication, Result};

struct Subscriber {
    live: zmq::Socket,
    dealer: zmq::Socket,
    topic: String,
    remaining: u64, // ticks to print
    expected: u64,  // the next sequence, 0 before the first
    epoch: u64,
}

impl Subscriber {
    fn run(&mut self) -> Result<()> {
        while self.remaining > 0 {
            let seen = Publication::open(&self.live.recv_bytes(0)?)?;
            if seen.topic == self.topic && seen.epoch >= self.epoch {
                self.expected = if self.expected == 0 { seen.sequence } else { self.expected };
                self.repair(seen.epoch, seen.sequence - 1)?;
                self.show(&seen);
            } else if let (true, Some(last)) = (self.expected > 0 && seen.epoch >= self.epoch, seen.body.get("topics").get(&self.topic).unsigned()) {
                self.repair(seen.epoch, last)?; // the last numbers in a heartbeat reveal a lost last tick too
            }
        }
        Ok(())
    }

    fn show(&mut self, tick: &Publication) { // the next one, or those before it are no longer available
        if self.remaining == 0 || tick.sequence < self.expected || tick.epoch > self.epoch {
            return;
        }
        println!("{} {} {}", tick.sequence, tick.body.get("bid"), tick.body.get("ask"));
        (self.expected, self.remaining) = (tick.sequence + 1, self.remaining - 1);
    }

    /// Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
    fn repair(&mut self, epoch: u64, last: u64) -> Result<()> {
        if epoch > self.epoch { // it may use numbers again for other ticks: the first of them is expected
            self.expected = self.expected.min(last + 1);
            while self.epoch > 0 && self.expected > 1 && self.is_newer(self.expected - 1)? {
                self.expected -= 1;
            }
            self.epoch = epoch;
        }
        while self.expected <= last && self.remaining > 0 {
            let (ticks, further) = self.replay(self.expected, last.min(self.expected + self.remaining - 1))?;
            ticks.iter().for_each(|tick| self.show(tick));
            self.expected = self.expected.max(further);
        }
        Ok(())
    }

    fn is_newer(&self, sequence: u64) -> Result<bool> { // than all ticks that were seen
        Ok(self.replay(sequence, sequence)?.0.iter().any(|tick| tick.epoch > self.epoch))
    }

    /// Requests ticks again; returns them, and the number behind the last one that is answered.
    fn replay(&self, from: u64, to: u64) -> Result<(Vec<Publication>, u64)> {
        loop {
            let (id, mut ticks) = (hulak::new_id()?, vec![]);
            let range = map([("topic", text(&self.topic)), ("from", number(from)), ("to", number(to))]);
            hulak::send(&self.dealer, 'Q', [id.clone(), text("hulak.replay"), text(""), range, map([])])?;
            while let Some((kind, answer)) = hulak::receive(&self.dealer)? {
                match kind {
                    _ if *answer.at(0) != id => {}
                    'P' => { for row in answer.at(2).items() { ticks.push(Publication::open(row.at(1).bytes())?); } }
                    'E' if *answer.at(1) == text("BUSY") => {} // in a second again
                    _ => { // nothing before `further` is available
                        let further = if kind == 'R' { answer.at(1).get("next") } else { answer.at(3).get("oldest") };
                        return Ok((ticks, further.unsigned().unwrap_or(u64::MAX).min(to + 1)));
                    }
                }
            }
        }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, publisher, frontend, topic, count] = &words[..] else { return Err("subscriber PUBLISHER FRONTEND TOPIC COUNT".into()) };
    let context = zmq::Context::new();
    let (live, dealer) = (context.socket(zmq::SUB)?, context.socket(zmq::DEALER)?);
    live.set_rcvhwm(100_000)?; // libzmq's default of 1,000 is less than a burst
    live.set_sndhwm(0)?; // or it drops subscriptions beyond 1,000
    dealer.set_rcvtimeo(1000)?; // ms; without an answer the request is repeated
    for name in [topic, "heartbeat"] {
        live.set_subscribe(format!("{name}\0").as_bytes())?; // without the NUL, tick.EURUSDX would match too
    }
    hulak::connect(&live, publisher)?;
    hulak::connect(&dealer, frontend)?;
    Subscriber { live, dealer, topic: topic.clone(), remaining: count.parse()?, expected: 0, epoch: 0 }.run()
}
