//! A webhook endpoint on this machine: a socket that answers 200 and hands over what came.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use crate::ambient;

/// The longest body that is read.
const BODY_MAX: u64 = 1 << 20;
/// How long a sender may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// A request that came.
pub(super) struct Delivery {
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Delivery {
    /// The header of that lower-case name; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The endpoint. Its thread ends with the process.
pub(super) struct Receiver {
    address: SocketAddr,
    deliveries: mpsc::Receiver<Delivery>,
}

impl Receiver {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, deliveries) = mpsc::channel();
        ambient::thread("receiver", move || {
            for stream in listener.incoming().flatten() {
                // A request that breaks off is no delivery; the server tries again.
                if let Ok(delivery) = receive(&stream)
                    && sender.send(delivery).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { address, deliveries })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// The next delivery; `None` where none comes in time.
    pub(super) fn next(&self, patience: Duration) -> Option<Delivery> {
        self.deliveries.recv_timeout(patience).ok()
    }
}

fn receive(mut stream: &TcpStream) -> io::Result<Delivery> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream).take(BODY_MAX);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut delivery = Delivery { headers, body: Vec::new() };
    let length = delivery.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_end(&mut delivery.body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(delivery)
}
