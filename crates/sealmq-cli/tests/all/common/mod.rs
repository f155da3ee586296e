//! Runs the program as users do: separate processes, real sockets, all bounded in time.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod brokers;
pub(crate) mod domain;
pub(crate) mod tls;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a step may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a folder, without the user's settings.
pub(crate) fn sealmq(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmq"));
    command.args(args).current_dir(folder);
    for name in [
        "SEALMQ_PASSPHRASE",
        "SEALMQ_KEY_FILE",
        "SEALMQ_DIR",
        "SEALMQ_AUTHORITY_DIR",
        "SEALMQ_ROOT_DIR",
        "SEALMQ_MQTT_PASSWORD",
        "SEALMQ_LOG",
        "SEALMQ_LOG_FORMAT",
        "SEALMQ_JOIN_TOKEN",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test unless the program ended with this code, and returns what it said.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{self:?}");
        self
    }

    /// Fails the test unless the program ended with this code and one line that contains all of this.
    #[track_caller]
    pub(crate) fn complains(self, code: i32, about: &[&str]) -> Self {
        let this = self.expect(code);
        assert_eq!(
            this.stderr.trim_end().lines().count(),
            1,
            "one line: {this:?}"
        );
        assert!(!this.stderr.contains("panicked"), "{this:?}");
        for text in about {
            assert!(this.stderr.contains(text), "{text:?} is missing: {this:?}");
        }
        this
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(command: Command) -> Ended {
    run_with(command, b"")
}

/// Runs a program to its end, with this on standard input.
#[track_caller]
pub(crate) fn run_with(command: Command, input: &[u8]) -> Ended {
    let mut running = Running::start(command);
    let mut stdin = running.stdin.take().unwrap();
    let input = input.to_vec();
    // In a thread: the program may not read before it writes.
    let writer = thread::spawn(move || {
        let _closed_early = stdin.write_all(&input);
    });
    let ended = running.end();
    writer.join().unwrap();
    ended
}

/// A program that runs. It is killed when the test ends.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Captured,
    stderr: Captured,
    name: String,
}

struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn new(pipe: impl std::io::Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let bytes = pipe.fill_buf().unwrap_or_default().to_vec();
                if bytes.is_empty() {
                    return;
                }
                sink.lock().unwrap().extend_from_slice(&bytes);
                pipe.consume(bytes.len());
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = Captured::new(child.stdout.take().unwrap());
        let stderr = Captured::new(child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            stdout,
            stderr,
            name,
        }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until a whole line of standard output contains this, and returns the line.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.wait_until(text, |this| {
            let out = this.stdout();
            let whole = &out[..out.rfind('\n').map_or(0, |end| end + 1)];
            whole
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
    }

    /// Waits until standard output has this so many times.
    #[track_caller]
    pub(crate) fn wait_for_count(&mut self, text: &str, count: usize) {
        self.wait_until(text, |this| {
            (this.stdout().matches(text).count() >= count).then_some(())
        });
    }

    /// Waits until standard output has this many lines, and returns them.
    #[track_caller]
    pub(crate) fn wait_for_lines(&mut self, count: usize) -> Vec<String> {
        self.wait_until(&format!("{count} lines"), |this| {
            let out = this.stdout();
            (out.matches('\n').count() >= count).then(|| out.lines().map(str::to_owned).collect())
        })
    }

    /// Waits until standard error contains this.
    #[track_caller]
    pub(crate) fn wait_for_remark(&mut self, text: &str) {
        self.wait_until(text, |this| this.stderr().contains(text).then_some(()));
    }

    #[track_caller]
    fn wait_until<T>(&mut self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > PATIENCE {
                // The last lines may just be on their way.
                sleep(Duration::from_millis(100));
                return found(self).unwrap_or_else(|| {
                    panic!(
                        "{}: no {what:?}; ended: {ended:?}\n{}\n{}",
                        self.name,
                        self.stdout(),
                        self.stderr()
                    )
                });
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ctrl-C, then waits for the end.
    #[track_caller]
    pub(crate) fn interrupt(self) -> Ended {
        self.signal(Signal::INT);
        self.end()
    }

    /// `kill -9`, then what it had said until then.
    #[track_caller]
    pub(crate) fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.end()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        self.stdin = None;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < PATIENCE * 2,
                "{} does not end\n{}\n{}",
                self.name,
                self.stdout(),
                self.stderr()
            );
            sleep(Duration::from_millis(5));
        };
        for captured in [&mut self.stdout, &mut self.stderr] {
            captured.reader.take().unwrap().join().unwrap();
        }
        Ended {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The whole content of a file.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}
