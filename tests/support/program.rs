//! The built program as a child process, on a data folder of its own.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, LIMIT};

/// A folder for the program, and how it is called there.
pub(crate) struct Program {
    folder: TempDir,
}

/// A server that runs. Dropping it kills it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    log: mpsc::Receiver<String>,
    out: mpsc::Receiver<String>,
}

/// An account as `account create --json` prints it.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program with these arguments, in the folder, and none of this process's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skai-server"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("SKAI_HTTP__LISTEN", "127.0.0.1:0").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives the one object that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Fails where the books are not right; gives what was looked at.
    #[track_caller]
    pub(crate) fn verify(&self) -> Value {
        let report = self.json(&["ledger", "verify", "--json"]);
        assert_eq!(report["ok"], true, "{report}");
        report
    }

    pub(crate) fn account(&self, credits: &str) -> Account {
        let made = self.json(&["account", "create", "--name", "A", "--credits", credits, "--json"]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Account { id: text("account_id"), key: text("key") }
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn serve(&self) -> Running {
        Running::start(&mut self.command(&[]))
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = lines(child.stderr.take().unwrap());
        let out = lines(child.stdout.take().unwrap());
        let Ok(line) = out.recv_timeout(LIMIT) else {
            let log: Vec<String> = log.iter().collect();
            panic!("the server does not start: {log:?}");
        };
        let address = line.strip_prefix("listening on http://").expect("the address");
        Self { address: address.parse().unwrap(), child, log, out }
    }

    pub(crate) fn client(&self, key: &str) -> Client {
        Client::new(self.address).with_key(key)
    }

    /// The next line that it prints after the one which says where it listens.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(LIMIT).expect("the server prints a line")
    }

    /// Ends the process in the middle of whatever it does (SIGKILL).
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Sends the process a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Reads the log up to a line that holds `wanted`.
    pub(crate) fn wait_for_log(&self, wanted: &str) {
        while !self.log.recv_timeout(LIMIT).expect(wanted).contains(wanted) {}
    }

    /// Waits for the end; gives the status and what is left of the log.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let mut log = Vec::new();
        // Ends when the process does, since it alone holds the other end.
        while let Ok(line) = self.log.recv_timeout(LIMIT) {
            log.push(line);
        }
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
