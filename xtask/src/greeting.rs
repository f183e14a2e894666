//! Waits beside a starting node, shows how far it is, and says how to use it once it is ready.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;

/// The pause between two looks; short beside the time in which a person notices.
const PAUSE: Duration = Duration::from_millis(100);

/// Greets once the node of this process id is ready.
#[derive(Debug, clap::Args)]
pub(crate) struct Greet {
    #[arg(long)]
    address: String,
    #[arg(long)]
    pid: u32,
}

// === impl Greet ===

impl Greet {
    #[expect(clippy::disallowed_methods, reason = "a program of its own, with nothing else to do")]
    pub(crate) fn run(&self) -> Result<()> {
        let node = PathBuf::from(format!("/proc/{}", self.pid));
        let bar = ProgressBar::new_spinner().with_message("starting");
        while node.exists() {
            bar.tick();
            match self.ask() {
                Some((200, _)) => {
                    bar.finish_and_clear();
                    println!("{}", text(&self.address));
                    return Ok(());
                }
                Some((_, progress)) => bar.set_message(progress),
                None => {}
            }
            std::thread::sleep(PAUSE);
        }
        // The node has said why it went.
        bar.finish_and_clear();
        Ok(())
    }

    /// Status and first line of `/-/ready`; `None` while nobody answers.
    fn ask(&self) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream
            .write_all(b"GET /-/ready HTTP/1.1\r\nHost: varve\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((status, body.trim_end().to_owned()))
    }
}

fn text(address: &str) -> String {
    format!(
        "
Varve is ready at http://{address}

  send samples   add to prometheus.yml:
                   remote_write:
                     - url: http://{address}/api/v1/write
  query          curl -s 'http://{address}/api/v1/query?query=count(up)'
  Grafana        a data source of type Prometheus with the URL http://{address}
  metrics        http://{address}/metrics

Ctrl-C stops the node; what it acknowledged is on disk.
"
    )
}
