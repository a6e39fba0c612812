//! A browser without a screen: it keeps cookies by host and port, and everything that it was shown.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

use crate::world::World;

pub(crate) struct Visitor {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
    /// What the application answered: headers and body as text.
    pub(crate) seen: Vec<String>,
    /// Where the application listens, and where it believes itself to be.
    address: String,
    origin: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The cookies that it sets, as they stand in the headers.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "{text}: {} {}", self.status, self.body);
    }
}

impl Visitor {
    pub(crate) fn new(world: &World) -> Self {
        // No roots: there is no TLS here, and to read the machine's takes longer than a test.
        let client = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]).build().unwrap();
        let (address, origin) = (world.address.clone(), world.origin.clone());
        Self { client, cookies: BTreeMap::new(), seen: Vec::new(), address, origin }
    }

    /// Opens an address, a path of the application or a whole URL, and follows nothing.
    pub(crate) async fn open(&mut self, to: &str) -> Answer {
        self.send(Method::GET, to, &[], "").await
    }

    /// Sends a form as a page of the application would.
    pub(crate) async fn press(&mut self, to: &str) -> Answer {
        self.send(Method::POST, to, &[("sec-fetch-site", "same-origin")], "").await
    }

    pub(crate) async fn send(&mut self, method: Method, to: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let to = if to.starts_with('/') { format!("{}{to}", self.address) } else { to.replacen(&self.origin, &self.address, 1) };
        let place = Url::parse(&to).unwrap().origin().ascii_serialization();
        let cookies = self.cookies.iter().filter(|((of, _), _)| *of == place);
        let cookies: Vec<_> = cookies.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self.client.request(method, &to).body(form.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let response = request.send().await.unwrap();
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        };
        for cookie in answer.cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            let key = (place.clone(), name.to_owned());
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(&key)
            } else {
                self.cookies.insert(key, value.to_owned())
            };
        }
        if place == self.address {
            self.seen.push(format!("{:?}\n{}", answer.headers, answer.body));
        }
        answer
    }

    /// The value of the application's cookie with this name.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(&(self.address.clone(), name.to_owned())).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert((self.address.clone(), name.to_owned()), value.to_owned());
    }

    /// Goes to Prakerja. Gives the login URL.
    pub(crate) async fn begin(&mut self, return_to: &str) -> String {
        let answer = self.open(&format!("/mulai?kembali={return_to}")).await;
        assert_eq!(answer.status, 303);
        answer.location().to_owned()
    }

    /// Logs in, with consent given behind the browser's back, and gives the answer to the callback.
    pub(crate) async fn log_in(&mut self, world: &World) -> Answer {
        let url = self.begin("/").await;
        let callback = world.sandbox.approve_consent(&url).unwrap();
        self.open(&callback).await
    }
}
