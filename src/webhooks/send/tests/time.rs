//! No answer takes longer than it may.

use super::*;

/// Waits until the other side hangs up.
fn await_end(mut stream: &TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
}

#[test]
fn a_server_that_never_answers_times_out() {
    let (url, _) = serve(await_end);
    let attempt = hasty().post(&url, &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert!(attempt.duration >= TOTAL, "{attempt:?}");
}

#[test]
fn a_body_that_never_ends_in_time_is_a_timeout_whatever_the_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let (url, _) = serve(move |mut stream| {
        read_request(stream);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"start").unwrap();
        await_end(stream);
    });
    let attempt = hasty().post(&url, &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert_eq!(attempt.response_body, "start");
}

/// One byte at a time, always before a timeout of a single read would strike.
fn drip(mut stream: &TcpStream, bytes: impl Iterator<Item = u8>) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for byte in bytes {
        // The read is the pause; it ends early where the client hangs up.
        if stream.write_all(&[byte]).is_err() || matches!(stream.read(&mut [0]), Ok(0)) {
            return;
        }
    }
}

#[test]
fn dripping_does_not_stretch_the_time() {
    let head = b"HTTP/1.1 200 OK\r\nx-drip: ";
    let (in_head, _) = serve(move |stream| {
        read_request(stream);
        drip(stream, head.iter().copied().chain(std::iter::repeat(b'y')));
    });
    let (in_body, _) = serve(move |mut stream| {
        read_request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drip(stream, std::iter::repeat(b'y'));
    });
    for url in [in_head, in_body] {
        let attempt = hasty().post(&url, &[], b"{}");
        assert_eq!(attempt.outcome, Outcome::Timeout);
        assert!(attempt.duration >= TOTAL && attempt.duration < 5 * TOTAL, "{attempt:?}");
    }
}

#[test]
fn a_server_that_never_reads_times_out() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (url, _) = serve(move |_| {
        // Ends with an error when the test drops its end.
        wait.recv().ok();
    });
    let attempt = hasty().post(&url, &[], &vec![b'x'; 32 * 1024 * 1024]);
    drop(release);
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert!(attempt.duration < 5 * TOTAL, "{attempt:?}");
}
