//! A plain request for a token, for peers that leave the request to their user.

use reqwest::Client;

use crate::subject::shown;

/// A client that talks to nobody but whom it is told to.
pub(crate) fn client() -> Result<Client, String> {
    Client::builder().no_proxy().build().map_err(shown)
}

/// Asks for a token, and gives it and its lifetime in seconds.
pub(crate) async fn token(client: &Client, url: &str) -> Result<(String, u64), String> {
    let answer = client.post(url).body("grant_type=client_credentials").send().await.map_err(shown)?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.map_err(shown)?).map_err(shown)?;
    let token = body.get("access_token").and_then(serde_json::Value::as_str);
    let lifetime = body.get("expires_in").and_then(serde_json::Value::as_u64);
    token.map(str::to_owned).zip(lifetime).ok_or_else(|| "no token came".to_owned())
}
