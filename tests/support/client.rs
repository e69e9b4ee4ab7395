//! A small blocking HTTP/1.1 client that can also send what no proper client would.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use super::LIMIT;

/// Talks to one address and keeps the connection. A clone has a connection of its own.
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
    kept: RefCell<Option<Connection>>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case, in the order of their arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The first value of the header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body {:?}", self.text()))
    }

    /// The body, which must be UTF-8.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The same reply if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        self
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    fn keeps_connection(&self) -> bool {
        self.header("connection") != Some("close") && (self.is_chunked() || self.length().is_some())
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self { address: self.address, headers: self.headers.clone(), kept: RefCell::default() }
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new(), kept: RefCell::default() }
    }

    /// Another client that sends this API key with every request.
    #[must_use]
    pub(crate) fn with_key(&self, key: &str) -> Self {
        self.with_header("Authorization", &format!("Bearer {key}"))
    }

    /// Another client that sends this header with every request.
    #[must_use]
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The value of the header `Authorization` that it sends; empty if none.
    pub(crate) fn authorization(&self) -> &str {
        let mut headers = self.headers.iter();
        headers.find(|(name, _)| name == "Authorization").map_or("", |(_, value)| value)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send_json("POST", path, &[], body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send_json("PATCH", path, &[], body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        self.send_json("PUT", path, &[], body)
    }

    /// Posts with an `Idempotency-Key`.
    pub(crate) fn post_once(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.send_json("POST", path, &[("Idempotency-Key", key)], body)
    }

    pub(crate) fn send_json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/json"));
        self.send(method, path, &headers, Some(body.to_string().as_bytes()))
    }

    /// Sends a request and reads the whole reply.
    ///
    /// # Panics
    /// If there is none within [`LIMIT`].
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        let reply = self.try_send(method, path, headers, body);
        reply.expect("the server replies")
    }

    /// As [`Client::send`], for tests in which the server may go away. Never sends twice.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Reply> {
        let request = self.request(method, path, headers, body);
        let kept = self.kept.take().filter(Connection::is_usable);
        let mut connection = kept.map_or_else(|| self.try_connect(), Ok)?;
        let sent = connection.write(&request);
        // What the server said before it closed matters more than that it closed.
        let reply = connection.read_reply(method != "HEAD");
        let reply = sent.and(reply)?;
        if reply.keeps_connection() {
            self.kept.replace(Some(connection));
        }
        Ok(reply)
    }

    /// Sends these bytes on a connection of their own and reads a reply. `None` if the server
    /// closes without one.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Option<Reply> {
        let mut connection = self.connect();
        // A server may refuse and close before it has read everything.
        connection.write(bytes).ok();
        connection.read_reply(true).ok()
    }

    /// Sends a request and reads only the reply's head; the body is read piece by piece.
    pub(crate) fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let request = self.request("GET", path, headers, None);
        let mut connection = self.connect();
        connection.write(&request).expect("the request is sent");
        let head = connection.read_head().expect("the server replies");
        Stream { head, connection }
    }

    /// Posts a request whose reply comes piece by piece.
    pub(crate) fn post_stream(&self, path: &str, body: &Value) -> Stream {
        let mut connection = self.begin_post(path, &[], body);
        let head = connection.read_head().expect("the server replies");
        Stream { head, connection }
    }

    /// Posts a request on a connection of its own, and waits for nothing.
    pub(crate) fn begin_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Connection {
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/json"));
        let request = self.request("POST", path, &headers, Some(body.to_string().as_bytes()));
        let mut connection = self.connect();
        connection.write(&request).expect("the request is sent");
        connection
    }

    /// A new connection, for tests that speak to the socket itself.
    pub(crate) fn connect(&self) -> Connection {
        self.try_connect().expect("the server listens")
    }

    fn try_connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&self.address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut request = Vec::new();
        write!(request, "{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address).unwrap();
        let own = self.headers.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.chain(headers.iter().copied()) {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if let Some(body) = body {
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.unwrap_or_default());
        request
    }
}

/// A connection to the server.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads a whole reply; `with_body` is false for one to `HEAD`.
    pub(crate) fn read_reply(&mut self, with_body: bool) -> io::Result<Reply> {
        let mut reply = self.read_head()?;
        let without = !with_body || matches!(reply.status, 204 | 304);
        if without {
        } else if reply.is_chunked() {
            while let Some(mut chunk) = self.read_chunk()? {
                reply.body.append(&mut chunk);
            }
        } else if let Some(length) = reply.length() {
            reply.body.resize(length, 0);
            self.0.read_exact(&mut reply.body)?;
        } else {
            self.0.read_to_end(&mut reply.body)?;
        }
        Ok(reply)
    }

    /// Reads frames of HTTP/2 to the end of a body; gives their bytes as text.
    pub(crate) fn read_http2(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("the server goes on");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).expect("the frame comes whole");
            text += &String::from_utf8_lossy(&payload);
            // END_STREAM on DATA.
            if head[3] == 0 && head[4] & 1 == 1 {
                return text;
            }
        }
    }

    /// True where the server begins to read the body that was announced with `Expect: 100-continue`.
    pub(crate) fn may_continue(&mut self) -> bool {
        let status = self.read_line().expect("the server replies");
        let interim = status.split(' ').nth(1) == Some("100");
        interim && self.read_line().expect("the line after it").is_empty()
    }

    /// False if the server has closed the connection, or sent what nobody asked for.
    fn is_usable(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let nothing_came =
            stream.peek(&mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        nothing_came && self.0.buffer().is_empty()
    }

    /// Reads the status and the headers, and skips interim (1xx) ones.
    fn read_head(&mut self) -> io::Result<Reply> {
        loop {
            let status = self.read_line()?;
            let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status = status.ok_or(io::ErrorKind::InvalidData)?;
            let mut headers = Vec::new();
            loop {
                let line = self.read_line()?;
                let Some((name, value)) = line.split_once(':') else {
                    break;
                };
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if status >= 200 {
                let body = Vec::new();
                return Ok(Reply { status, headers, body });
            }
        }
    }

    /// Reads the next chunk; `None` after the last.
    fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.read_line()?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut chunk = vec![0; size];
        self.0.read_exact(&mut chunk)?;
        self.read_line()?;
        Ok((size > 0).then_some(chunk))
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A reply whose body is still coming.
pub(crate) struct Stream {
    /// Status and headers; its body stays empty.
    pub(crate) head: Reply,
    connection: Connection,
}

impl Stream {
    /// The next chunk, or `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        self.connection.read_chunk().expect("the stream goes on")
    }

    /// Reads until the text so far holds `wanted`; returns it all.
    pub(crate) fn read_until(&mut self, wanted: &str) -> String {
        let mut text = String::new();
        while !text.contains(wanted) {
            let chunk = self.next();
            let chunk = chunk.unwrap_or_else(|| panic!("no {wanted:?} in {text:?}"));
            text += std::str::from_utf8(&chunk).expect("the stream is UTF-8");
        }
        text
    }
}
