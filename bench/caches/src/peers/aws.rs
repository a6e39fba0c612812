//! aws-smithy-runtime: its lazy identity cache around a resolver of ours, with the machine's clock and Tokio's sleep.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::http::Token;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, ResolveIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

use crate::subject::{Subject, TOKEN_BYTES, shown};

#[derive(Debug)]
struct Resolver {
    url: String,
    client: reqwest::Client,
}

impl ResolveIdentity for Resolver {
    fn resolve_identity<'a>(&'a self, _: &'a RuntimeComponents, _: &'a ConfigBag) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let (token, lifetime) = crate::fetch::token(&self.client, &self.url).await?;
            let until = now() + Duration::from_secs(lifetime);
            Ok(Identity::new(Token::new(token, Some(until)), Some(until)))
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer's own clock, which is the machine's")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A client of its SDK holds all of this.
struct Parts {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    settings: ConfigBag,
}

#[derive(Clone)]
pub(crate) struct Aws(Arc<Parts>);

impl Subject for Aws {
    const NAME: &'static str = "aws-smithy-runtime lazy cache";
    type Client = reqwest::Client;

    async fn client() -> Result<reqwest::Client, String> {
        crate::fetch::client()
    }

    async fn cold(client: &reqwest::Client, base: &str) -> Result<Self, String> {
        let components = RuntimeComponentsBuilder::for_tests()
            .with_sleep_impl(Some(TokioSleep::new()))
            .with_time_source(Some(SystemTimeSource::new()))
            .build()
            .map_err(shown)?;
        let resolver = Resolver { url: format!("{base}/token"), client: client.clone() };
        let (cache, resolver) = (IdentityCache::lazy().build(), SharedIdentityResolver::new(resolver));
        Ok(Self(Arc::new(Parts { cache, resolver, components, settings: ConfigBag::base() })))
    }

    async fn get(&self) -> Result<usize, String> {
        let Parts { cache, resolver, components, settings } = &*self.0;
        let identity = cache.resolve_cached_identity(resolver.clone(), components, settings).await.map_err(shown)?;
        identity.data::<Token>().map(|token| token.token().len()).ok_or_else(|| "no token came".to_owned())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(TOKEN_BYTES + base.len() + "/token".len())
    }
}
