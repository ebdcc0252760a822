//! A headless Chromium on a machine of a lab, told what to do by the DevTools protocol over a pipe: no port, no socket, and
//! it ends when the pipe does. It knows nothing of the page that it shows.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use afc_lab::{netns::Netns, wait_for};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long one command may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long Chromium may take to end.
const END: Duration = Duration::from_secs(10);
/// The protocol is spoken on descriptors 3 and 4.
const SHELL: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >&2";
/// No sandbox: Chromium refuses to make one as root. The rest keeps it from asking anybody but the page.
const ARGUMENTS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
    "about:blank",
];

/// Chromium with one tab. Dropping it ends it.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    /// What it said unasked and nobody has looked at yet.
    notices: VecDeque<Value>,
    session: String,
    sent: u64,
    _profile: TempDir,
}

/// What a window looks like.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// In CSS pixels.
    pub(crate) width: u32,
    /// In CSS pixels.
    pub(crate) height: u32,
    /// `light` or `dark`.
    pub(crate) scheme: &'static str,
}

impl Browser {
    /// Starts it on a machine.
    pub(crate) fn start(machine: &Netns) -> Self {
        let profile = tempfile::tempdir().expect("a directory for the browser");
        let mut command = machine.command("sh");
        command.args(["-c", SHELL, "sh", "chromium"]).args(ARGUMENTS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().expect("there is a shell");
        let commands = process.stdin.take().expect("a pipe");
        let messages = read(process.stdout.take().expect("a pipe"));
        let (notices, session) = (VecDeque::new(), String::new());
        let mut browser = Self { process, commands, messages, notices, session, sent: 0, _profile: profile };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let tab = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", tab);
        session["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a page, and returns before it is there.
    pub(crate) fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", json!({"url": address}));
        assert_eq!(opened.get("errorText"), None, "{address}");
    }

    /// The value of a JavaScript expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert_eq!(answer.get("exceptionDetails"), None, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression in the page is true.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let waited = wait_for(expression, PATIENCE, || self.evaluate(expression) == true);
        waited.unwrap_or_else(|error| panic!("{error}; the page says:\n{}", self.text()));
    }

    /// What a person reads on the page.
    pub(crate) fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Gives the window a size and a colour scheme.
    pub(crate) fn resize(&mut self, window: Window) {
        let Window { width, height, scheme } = window;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Writes what the window shows as a PNG.
    pub(crate) fn photograph(&mut self, file: &Path) {
        // Two frames: what has changed is laid out, then painted.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        let shot = self.call("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false}));
        let image = BASE64.decode(shot["data"].as_str().expect("an image")).expect("an image in base64");
        std::fs::write(file, image).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// What the page has complained about on the console since the last time, and what it threw.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.hear();
        let said = |notice: &Value| {
            let details = &notice["params"];
            match notice["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(details["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(details["args"].to_string()),
                "Log.entryAdded" => Some(details["entry"].to_string()),
                _ => None,
            }
        };
        let complaints = self.notices.iter().filter_map(said).collect();
        self.notices.retain(|notice| said(notice).is_none());
        complaints
    }

    /// The addresses that the page has asked for since the last time.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.hear();
        let asked = |notice: &Value| match notice["method"].as_str()? {
            "Network.requestWillBeSent" => Some(notice["params"]["request"]["url"].as_str()?.to_owned()),
            _ => None,
        };
        let requests = self.notices.iter().filter_map(asked).collect();
        self.notices.retain(|notice| asked(notice).is_none());
        requests
    }

    /// Everything that was said before this moment is among the notices afterwards.
    fn hear(&mut self) {
        self.evaluate("0");
    }

    /// One command, and its answer.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.as_str().into();
        }
        let sent = self.commands.write_all(format!("{command}\0").as_bytes());
        sent.expect("chromium runs; if it is missing: cargo xtask setup, or apt-get install chromium");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let mut message = message.unwrap_or_else(|_| {
                panic!("chromium did not answer {method}; if it is missing: cargo xtask setup, or apt-get install chromium")
            });
            if message["id"] == self.sent {
                assert_eq!(message.get("error"), None, "{method}");
                return message["result"].take();
            }
            self.notices.push_back(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let closing = json!({"id": 0, "method": "Browser.close"});
        let asked = self.commands.write_all(format!("{closing}\0").as_bytes());
        let ended = || matches!(self.process.try_wait(), Ok(Some(_)) | Err(_));
        if asked.is_err() || wait_for("chromium ends", END, ended).is_err() {
            // Its group is its own: Netns::command makes one. SAFETY: plain numbers, and the child is not waited for.
            unsafe { libc::kill(-(self.process.id() as libc::pid_t), libc::SIGKILL) };
            drop(self.process.wait());
        }
    }
}

/// Passes on each message, until the pipe ends.
fn read(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0) {
            let message = message.ok().and_then(|text| serde_json::from_slice(&text).ok());
            if message.is_none_or(|message: Value| sender.send(message).is_err()) {
                return;
            }
        }
    });
    messages
}
