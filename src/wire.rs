//! Connections to other servers that another thread can cut. ureq blocks until there is an answer or the
//! time is up, so without this a canceled call would go on, and hold its thread, for minutes.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    time::Duration,
};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, ShutdownHandle, Transport,
};

use crate::ambient::lock;

/// What one thread does with connections for a while, and what others can put an end to.
#[derive(Clone, Default)]
pub struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cut: bool,
    /// The connection in use.
    connection: Option<Handle>,
    /// Who waits for something else than a connection.
    waiter: Option<Box<dyn FnOnce() + Send>>,
}

type Handle = Weak<dyn ShutdownHandle>;

thread_local! {
    /// A connection may be one that an earlier call left open, and the client tells it nothing of the
    /// call that uses it now. Both are on one thread.
    static CURRENT: RefCell<Option<Line>> = const { RefCell::new(None) };

    /// The longest that a read may wait, where it may not wait as long as its call says.
    static HURRY: Cell<Option<Duration>> = const { Cell::new(None) };
}

impl Line {
    /// Makes a call that fails as soon as the line is cut.
    pub fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        let _hung_up = HangUp(CURRENT.replace(Some(self.clone())));
        call()
    }

    /// Ends the call that is being made, and every later one on this line.
    pub fn cut(&self) {
        let (connection, waiter) = {
            let mut state = lock(&self.0);
            state.cut = true;
            (state.connection.take(), state.waiter.take())
        };
        if let Some(wake) = waiter {
            wake();
        }
        if let Some(connection) = connection.and_then(|handle| handle.upgrade()) {
            connection.shutdown();
        }
    }

    /// Whether both are the same line.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// True once it was cut.
    pub fn is_cut(&self) -> bool {
        lock(&self.0).cut
    }

    /// Notes which connection is in use, unless the line was cut.
    fn uses(&self, connection: &Handle) -> Result<(), ureq::Error> {
        let mut state = lock(&self.0);
        if state.cut {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
        }
        state.connection = Some(Weak::clone(connection));
        Ok(())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Line").field("cut", &lock(&self.0).cut).finish()
    }
}

/// True where this thread's call is made over a line that was cut.
pub fn is_cut() -> bool {
    CURRENT.with_borrow(|line| line.as_ref().is_some_and(Line::is_cut))
}

/// Lets `wake` happen when the line of this thread's call is cut, now if it was already, and not at all
/// once the result is dropped. For one who waits for something else than a connection.
pub fn on_cut(wake: impl FnOnce() + Send + 'static) -> Waiting {
    let line = CURRENT.with_borrow(Clone::clone);
    if let Some(Line(state)) = &line {
        let mut state = lock(state);
        if state.cut {
            drop(state);
            wake();
        } else {
            state.waiter = Some(Box::new(wake));
        }
    }
    Waiting(line)
}

/// Makes a call on an open connection whose reads wait no longer than this.
pub fn hurry<T>(longest: Duration, call: impl FnOnce() -> T) -> T {
    let _hurry = Hurry(HURRY.replace(Some(longest)));
    call()
}

/// Waits for that long, or until the line of this thread's call is cut; gives whether it is.
pub fn pause(length: Duration) -> bool {
    let bell = Arc::new((Mutex::new(false), Condvar::new()));
    let rung = Arc::clone(&bell);
    let _waiting = on_cut(move || {
        *lock(&rung.0) = true;
        rung.1.notify_all();
    });
    let waited = bell.1.wait_timeout_while(lock(&bell.0), length, |cut| !*cut);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// A wait that a cut ends.
#[must_use = "the wait is over when this is dropped"]
pub struct Waiting(Option<Line>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(Line(state)) = &self.0 {
            lock(state).waiter = None;
        }
    }
}

/// Ends a hurry, also where the call panicked: the thread may go on to others.
struct Hurry(Option<Duration>);

impl Drop for Hurry {
    fn drop(&mut self) {
        HURRY.set(self.0);
    }
}

/// Ends a call: its connection is kept for others, so this line must not cut it any more.
struct HangUp(Option<Line>);

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(line) = CURRENT.replace(self.0.take()) {
            lock(&line.0).connection = None;
        }
    }
}

/// Opens connections as ureq does, and lets lines cut them.
#[derive(Debug, Default)]
pub struct Switchboard(DefaultConnector);

impl Connector<()> for Switchboard {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let opened = Arc::new(Mutex::new(None));
        let (noted, register) = (Arc::clone(&opened), Arc::clone(&details.register_shutdown));
        let mut addrs = details.resolver.empty();
        details.addrs.iter().for_each(|address| addrs.push(*address));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::new(move |handle| {
                *lock(&noted) = Some(Weak::clone(&handle));
                register(handle)
            }),
        };
        let transport = self.0.connect(&details, chained)?;
        let handle = lock(&opened).take();
        Ok(transport.map(|transport| Connection { transport, handle }))
    }
}

/// A connection that knows how to be cut.
#[derive(Debug)]
pub struct Connection {
    transport: Box<dyn Transport>,
    handle: Option<Handle>,
}

impl Connection {
    fn is_used(&self) -> Result<(), ureq::Error> {
        let Some(handle) = &self.handle else { return Ok(()) };
        CURRENT.with_borrow(|line| line.as_ref().map_or(Ok(()), |line| line.uses(handle)))
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.is_used()?;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.is_used()?;
        if let Some(longest) = HURRY.get().map(Into::into) {
            let usual = timeout.per_read.unwrap_or(longest);
            timeout.per_read = Some(usual.min(longest));
        }
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        thread,
        time::Duration,
    };

    use ureq::{Agent, unversioned::resolver::DefaultResolver};

    use super::*;

    /// Longer than the test may take: what ends a call before is the cut.
    const TIMEOUT: Duration = Duration::from_mins(5);

    struct Bench {
        agent: Agent,
        listener: TcpListener,
    }

    impl Bench {
        fn new() -> Self {
            let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).build();
            Self {
                agent: Agent::with_parts(
                    config,
                    Switchboard::default(),
                    DefaultResolver::default(),
                ),
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            }
        }

        fn get(&self, line: &Line) -> Result<String, ureq::Error> {
            let url = format!("http://{}/", self.listener.local_addr().unwrap());
            line.during(|| self.agent.get(url).call()?.body_mut().read_to_string())
        }

        /// The request of a client that has connected, or connects now.
        fn heard(&self, client: Option<TcpStream>) -> TcpStream {
            let mut client = client.unwrap_or_else(|| self.listener.accept().unwrap().0);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            client
        }
    }

    fn answer(client: &mut TcpStream) {
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    }

    #[test]
    fn a_call_that_waits_ends_when_its_line_is_cut() {
        let (bench, line) = (Bench::new(), Line::default());
        thread::scope(|threads| {
            let call = threads.spawn(|| bench.get(&line));
            let mut client = bench.heard(None);
            line.cut();
            assert!(call.join().unwrap().is_err());
            assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0, "the server sees it too");
        });
        assert!(bench.get(&line).is_err(), "nothing more goes over this line");
    }

    #[test]
    fn a_hurry_ends_with_its_call() {
        let panicked = std::panic::catch_unwind(|| hurry(TIMEOUT, || panic!("in the call")));
        assert!(panicked.is_err());
        assert_eq!(HURRY.get(), None);
    }

    #[test]
    fn a_pause_ends_when_its_line_is_cut() {
        assert!(!pause(Duration::from_millis(1)) && !is_cut(), "no line, nothing to cut");
        let line = Line::default();
        assert!(!line.during(|| pause(Duration::from_millis(1))));
        thread::scope(|threads| {
            let waits = threads.spawn(|| line.during(|| pause(TIMEOUT)));
            line.cut();
            assert!(waits.join().unwrap());
        });
        assert!(line.during(|| pause(TIMEOUT) && is_cut()), "it stays cut");
    }

    #[test]
    fn a_call_on_a_connection_of_an_earlier_one_is_cut_by_its_own_line() {
        let bench = Bench::new();
        let [first, second, third] = [Line::default(), Line::default(), Line::default()];
        thread::scope(|threads| {
            let call = threads.spawn(|| bench.get(&first));
            let mut client = bench.heard(None);
            answer(&mut client);
            assert_eq!(call.join().unwrap().unwrap(), "ok");

            let call = threads.spawn(|| bench.get(&second));
            let mut client = bench.heard(Some(client));
            first.cut();
            answer(&mut client);
            assert_eq!(call.join().unwrap().unwrap(), "ok", "the first has hung up");

            let call = threads.spawn(|| bench.get(&third));
            let _client = bench.heard(Some(client));
            third.cut();
            assert!(call.join().unwrap().is_err());
        });
    }
}
