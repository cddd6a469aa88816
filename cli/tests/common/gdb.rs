//! `relsim run --gdb` as a child, and both ways to talk to it: gdb, and bytes.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use super::Files;

/// How long an answer may take on a busy host.
const PATIENCE: Duration = Duration::from_secs(120);

/// A relsim that waits for gdb.
pub struct Stub {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub address: String,
}

impl Stub {
    pub fn new(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relsim"))
            .arg("run")
            .args(arguments)
            .args(["--gdb", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended before it waited");
            if let Some((_, address)) = line.trim_end().split_once("target remote ") {
                break address.into();
            }
        };
        Self { child, stderr, address }
    }

    /// Lets gdb carry out `commands`, and gives its standard output and error.
    pub fn gdb(&self, commands: &str) -> (String, String) {
        let files = Files::new();
        let start = "set pagination off\nset confirm off\nset tcp auto-retry off\n";
        let script = format!("{start}file {}/guests/kernel-smp.elf\n", env!("CARGO_MANIFEST_DIR"));
        let script = format!("{script}target remote {}\n{commands}", self.address);
        let script = files.add("script.gdb", script.as_bytes());
        let output = Command::new("gdb-multiarch").args(["-nx", "-batch", "-x"]).arg(script).output();
        let output = output.expect("gdb-multiarch, which `cargo xtask setup` installs");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// A connection without gdb.
    pub fn connect(&mut self) -> Wire {
        // Of many short connections in a row one may be reset before anybody has heard of it; a stub that has ended
        // refuses them.
        let mut tries = 0;
        let stream = loop {
            match TcpStream::connect(&self.address) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset && tries < 3 => tries += 1,
                Ok(stream) => break stream,
                Err(error) => panic!("{error}: {}", self.last_words()),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire(stream)
    }

    /// How it has ended, and what it had to say before.
    fn last_words(&mut self) -> String {
        let Some(status) = self.child.try_wait().unwrap() else { return "it has not ended".into() };
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        format!("it has ended, {status}: {stderr}")
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Output {
        let mut stderr = Vec::new();
        self.stderr.read_to_end(&mut stderr).unwrap();
        let mut stdout = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        Output { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // It has ended if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection on which packets are sent by hand.
pub struct Wire(TcpStream);

impl Wire {
    pub fn send(&mut self, bytes: &[u8]) {
        // The other side may have closed it.
        let _ = self.0.write_all(bytes);
    }

    /// Nothing more will be sent.
    pub fn shut(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }

    /// Reads until the other side closes the connection.
    pub fn drain(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What was not read on the other side makes a reset of the close.
        let _ = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// The contents of the next packet from the other side.
    pub fn packet(&mut self) -> String {
        let mut byte = || {
            let mut byte = [0];
            self.0.read_exact(&mut byte).map(|()| byte[0])
        };
        while byte().unwrap() != b'$' {}
        let mut text = Vec::new();
        loop {
            match byte().unwrap() {
                b'#' => break,
                other => text.push(other),
            }
        }
        byte().and_then(|_| byte()).unwrap();
        self.send(b"+");
        String::from_utf8(text).unwrap()
    }

    /// Sends a packet, and gives the answer.
    pub fn ask(&mut self, text: &str) -> String {
        self.send(&packet(text.as_bytes()));
        self.packet()
    }
}

/// `text` as a packet.
pub fn packet(text: &[u8]) -> Vec<u8> {
    let sum = text.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", text, format!("#{sum:02x}").as_bytes()].concat()
}
