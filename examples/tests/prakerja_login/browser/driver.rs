//! Chromium, headless, driven by its own driver. It is not let out of this machine.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use tempfile::TempDir;
use thirtyfour::prelude::*;

/// A browser has no clock to be moved: this long it may take to get to a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// The programs, under the names that Debian and others give them.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const DRIVER: &str = "chromedriver";

/// What keeps a browser quiet. `~NOTFOUND` is how Chromium writes that a name has no address.
const ARGUMENTS: [&str; 14] = [
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--lang=id",
    "--no-first-run",
    "--no-proxy-server",
    // The driver talks by a pipe, so that the browser ends with it.
    "--remote-debugging-pipe",
    "--window-size=1000,1000",
];

/// A browser with an empty profile. With it, the driver and the profile end.
pub(crate) struct Browser {
    pub(crate) tab: WebDriver,
    screenshots: PathBuf,
    _driver: Driver,
    _profile: TempDir,
}

struct Driver {
    child: Child,
    // Kept open, so that the driver can write.
    output: BufReader<ChildStdout>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts one, or says why there is none.
    pub(crate) async fn start() -> Result<Self, String> {
        let browser = BROWSERS.iter().find_map(|name| found(name)).ok_or("there is no Chromium")?;
        let driver = found(DRIVER).ok_or("there is no chromedriver")?;
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = start_driver(&driver, profile.path());

        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(browser.to_str().unwrap()).unwrap();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().join("profile").display())).unwrap();
        // Its sandbox wants a user that is not root, which continuous integration has not.
        capabilities.add_arg("--no-sandbox").unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let tab = WebDriver::builder(url, capabilities).client(client).connect().await.unwrap();
        Ok(Self { tab, screenshots: screenshots(), _driver: driver, _profile: profile })
    }

    pub(crate) async fn open(&self, url: &str) {
        self.tab.goto(url).await.unwrap();
    }

    /// Presses the button or the link with this text.
    pub(crate) async fn press(&self, text: &str) {
        self.find(&format!("//*[self::a or self::button][starts-with(normalize-space(.), '{text}')]"))
            .await
            .click()
            .await
            .unwrap();
    }

    /// Waits for a page with this heading, and gives the text of the whole page.
    pub(crate) async fn page(&self, heading: &str) -> String {
        self.find(&format!("//h1[contains(., '{heading}')]")).await;
        self.tab.find(By::Tag("main")).await.unwrap().text().await.unwrap()
    }

    /// Waits for a page with this text.
    pub(crate) async fn shows(&self, text: &str) {
        self.find(&format!("//main[contains(., '{text}')]")).await;
    }

    async fn find(&self, xpath: &str) -> WebElement {
        match self.tab.query(By::XPath(xpath)).wait(PATIENCE, Duration::from_millis(50)).first().await {
            Ok(found) => found,
            Err(_) => {
                self.keep("fault").await;
                panic!("not found: {xpath} at {}: {}", self.address().await, self.tab.source().await.unwrap());
            }
        }
    }

    /// What stands in the address bar.
    pub(crate) async fn address(&self) -> String {
        self.tab.current_url().await.unwrap().to_string()
    }

    pub(crate) async fn script(&self, script: &str) -> serde_json::Value {
        self.tab.execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Keeps a screenshot for a person to look at.
    pub(crate) async fn keep(&self, name: &str) {
        self.tab.screenshot(&self.screenshots.join(format!("{name}.png"))).await.unwrap();
    }

    /// Tells that a step has passed, past the test harness, which shows what a test prints only when it fails.
    pub(crate) fn passed(&self, step: &str) {
        tell(&format!("browser: {step}"));
    }

    pub(crate) async fn quit(self) {
        self.tab.quit().await.unwrap();
    }
}

pub(crate) fn tell(line: &str) {
    // Not `eprintln!`, which the harness keeps.
    io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn found(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// On a free port, which it prints.
fn start_driver(program: &Path, home: &Path) -> (Driver, u16) {
    let mut child = Command::new(program)
        .arg("--port=0")
        // What it and the browser write beside the profile goes to the same folder.
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("XDG_CACHE_HOME", home)
        .env("TMPDIR", home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut driver = Driver { child, output };
    let mut line = String::new();
    loop {
        line.clear();
        assert!(driver.output.read_line(&mut line).unwrap() > 0, "chromedriver ended before it told its port");
        let port = line.rsplit_once("successfully on port ").and_then(|(_, port)| port.trim().trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return (driver, port);
        }
    }
}

/// `target/browser`: this test is in `target/debug/deps`.
fn screenshots() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here.ancestors().nth(3).unwrap().join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
