//! A process that is started, stopped, let go on and killed.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::service::Service;
use super::worker::{DIRECTORY, JOURNAL};

/// What a process tells.
pub(crate) enum News {
    Ended,
    LoginWanted,
    Ready,
}

pub(crate) struct Process {
    child: Child,
    number: u64,
    is_ready: bool,
}

/// The name of the journal of all processes in this place, one after the other.
pub(crate) fn journal(slot: usize) -> String {
    format!("journal-{slot}")
}

impl Process {
    /// Its news come with its place and its number.
    pub(crate) fn start(slot: usize, service: &Service, directory: &Path, news: &Sender<(usize, u64, News)>) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["worker::worker", "--exact", "--nocapture"]).envs(service.settings());
        command.env(DIRECTORY, directory).env(JOURNAL, journal(slot));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let news = news.clone();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let told = match line.as_str() {
                    "ready" => News::Ready,
                    "over" => News::LoginWanted,
                    _ => continue,
                };
                let _ = news.send((slot, number, told));
            }
            let _ = news.send((slot, number, News::Ended));
        });
        Self { child, number, is_ready: false }
    }

    pub(crate) fn is(&self, number: u64) -> bool {
        self.number == number
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(crate) fn ready(&mut self) {
        self.is_ready = true;
    }

    /// Returns when it stands still.
    pub(crate) fn freeze(&self) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(process), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "a process ended by itself: {status:?}");
    }

    pub(crate) fn thaw(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// After a login. One that is stopped hears it later, and one that is gone never.
    pub(crate) fn go_on(&mut self) {
        let _ = self.child.stdin.as_mut().unwrap().write_all(b"\n");
    }

    /// Returns when nothing of it is left, its sockets included.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
