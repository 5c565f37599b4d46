//! The shop's settings from the environment; a broken one stops the start, named but not shown.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use reqwest::Url;
use sqlx::sqlite::SqliteConnectOptions;
use thiserror::Error;

use crate::service_account::ServiceAccount;

/// The database's file inside the data directory, unless `DATABASE_URL` names another.
const DATABASE_FILE: &str = "swag-store.db";
/// How long one call outward may take, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the settings were not accepted. No variant carries a value.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A variable holds something else than what it is for.
    #[error("read {name}: expected {expected}; correct it or unset it")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A variable is unset although another one needs it.
    #[error("read {name}: it is not set, and {needed_by} needs it")]
    Missing {
        /// The variable or variables, any of which would do.
        name: &'static str,
        /// The variable that needs it.
        needed_by: &'static str,
    },
    /// The file a variable names cannot be read.
    #[error("read the file that {name} names: {source}")]
    Unreadable {
        /// The variable.
        name: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Everything the shop is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// `DATABASE_URL`, else a SQLite file in the data directory.
    pub database: SqliteConnectOptions,
    /// `APP_ORIGIN`, else `NEXT_PUBLIC_APP_URL`: this deployment's address, without a trailing
    /// slash.
    pub app_origin: String,
    /// The payment provider.
    pub stripe: StripeConfig,
    /// The orders sheet; orders go to the database alone when `ORDERS_SHEET_ID` is unset.
    pub sheet: Option<SheetConfig>,
    /// The mail provider.
    pub mail: MailConfig,
    /// How long one call outward may take, connecting included.
    pub call_timeout: Duration,
}

/// Settings of the payment provider.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// `STRIPE_API_BASE`.
    pub api_base: Url,
    /// `STRIPE_SECRET_KEY`; without it payments cannot be confirmed.
    pub secret_key: Option<Secret>,
    /// `STRIPE_WEBHOOK_SECRET`; without it every webhook is refused.
    pub webhook_secret: Option<Secret>,
}

/// Settings of the orders sheet.
#[derive(Clone, Debug)]
pub struct SheetConfig {
    /// `SHEETS_API_BASE`.
    pub api_base: Url,
    /// `ORDERS_SHEET_ID`.
    pub spreadsheet_id: String,
    /// `ORDERS_SHEET_NAME`: the tab.
    pub tab: String,
    /// `GOOGLE_SERVICE_ACCOUNT_JSON`, else the file `GOOGLE_APPLICATION_CREDENTIALS` names.
    pub account: ServiceAccount,
}

/// Settings of the mail provider; mail is skipped unless key and sender are both set.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `RESEND_API_BASE`.
    pub api_base: Url,
    /// `RESEND_API_KEY`.
    pub api_key: Option<Secret>,
    /// `ORDER_EMAIL_FROM`.
    pub from: Option<String>,
}

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(withheld)")
    }
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When a variable is broken or one that another needs is missing.
    pub fn from_env(data_dir: &Path) -> Result<Config, ConfigError> {
        Config::read(data_dir, |name| std::env::var_os(name))
    }

    /// Reads settings from any source of named values; one that is empty or only white space counts
    /// as unset.
    ///
    /// # Errors
    /// When a variable is broken or one that another needs is missing.
    pub fn read(
        data_dir: &Path,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Config, ConfigError> {
        let source = Source { lookup: &lookup };
        Ok(Config {
            database: source.database(data_dir)?,
            app_origin: source.app_origin()?,
            stripe: StripeConfig {
                api_base: source.base("STRIPE_API_BASE", "https://api.stripe.com")?,
                secret_key: source.secret("STRIPE_SECRET_KEY")?,
                webhook_secret: source.secret("STRIPE_WEBHOOK_SECRET")?,
            },
            sheet: source.sheet()?,
            mail: MailConfig {
                api_base: source.base("RESEND_API_BASE", "https://api.resend.com")?,
                api_key: source.secret("RESEND_API_KEY")?,
                from: source.text("ORDER_EMAIL_FROM")?,
            },
            call_timeout: CALL_TIMEOUT,
        })
    }

    /// Whether any service that will be called is reached over TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        let stripe = self
            .stripe
            .secret_key
            .is_some()
            .then_some(&self.stripe.api_base);
        let mail = self.mail.api_key.is_some().then_some(&self.mail.api_base);
        let sheet = self.sheet.as_ref();
        let google = sheet.map(|sheet| &sheet.api_base);
        let tokens = sheet.map(|sheet| sheet.account.token_uri());
        let called = [stripe, mail, google, tokens];
        called
            .into_iter()
            .flatten()
            .any(|url| url.scheme() == "https")
    }
}

/// Named values and how to read them.
struct Source<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Source<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(value) = (self.lookup)(name) else {
            return Ok(None);
        };
        let expected = "text in UTF-8";
        let text = value
            .into_string()
            .map_err(|_| ConfigError::Invalid { name, expected })?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// A secret that travels in a header.
    fn secret(&self, name: &'static str) -> Result<Option<Secret>, ConfigError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let expected = "one word of visible ASCII characters";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Some(Secret(text)))
    }

    fn base(&self, name: &'static str, default: &'static str) -> Result<Url, ConfigError> {
        let text = self.text(name)?;
        web_url(name, text.as_deref().unwrap_or(default))
    }

    fn app_origin(&self) -> Result<String, ConfigError> {
        for name in ["APP_ORIGIN", "NEXT_PUBLIC_APP_URL"] {
            if let Some(text) = self.text(name)? {
                web_url(name, &text)?;
                return Ok(text.trim_end_matches('/').to_owned());
            }
        }
        Ok("http://localhost:3000".to_owned())
    }

    fn database(&self, data_dir: &Path) -> Result<SqliteConnectOptions, ConfigError> {
        let name = "DATABASE_URL";
        let Some(url) = self.text(name)? else {
            return Ok(SqliteConnectOptions::new().filename(data_dir.join(DATABASE_FILE)));
        };
        let expected = "a SQLite file such as sqlite:/var/lib/shop/swag-store.db";
        // A database in memory would forget the orders it acknowledged.
        let forgets = url.contains(":memory:") || url.contains("mode=memory");
        if !url.starts_with("sqlite:") || forgets {
            return Err(ConfigError::Invalid { name, expected });
        }
        SqliteConnectOptions::from_str(&url).map_err(|_| ConfigError::Invalid { name, expected })
    }

    fn sheet(&self) -> Result<Option<SheetConfig>, ConfigError> {
        // Read even if no sheet is named: a broken credential is reported at the start, not when it
        // is first needed.
        let account = self.service_account()?;
        let api_base = self.base("SHEETS_API_BASE", "https://sheets.googleapis.com")?;
        let tab = self
            .text("ORDERS_SHEET_NAME")?
            .unwrap_or_else(|| "Sheet1".to_owned());
        let Some(spreadsheet_id) = self.text("ORDERS_SHEET_ID")? else {
            return Ok(None);
        };
        let account = account.ok_or(ConfigError::Missing {
            name: "GOOGLE_SERVICE_ACCOUNT_JSON or GOOGLE_APPLICATION_CREDENTIALS",
            needed_by: "ORDERS_SHEET_ID",
        })?;
        Ok(Some(SheetConfig {
            api_base,
            spreadsheet_id,
            tab,
            account,
        }))
    }

    fn service_account(&self) -> Result<Option<ServiceAccount>, ConfigError> {
        let name = "GOOGLE_SERVICE_ACCOUNT_JSON";
        if let Some(text) = self.text(name)? {
            let expected = "the JSON of a service-account key, as it is or in base64";
            let account = ServiceAccount::read(&text);
            return account
                .map(Some)
                .ok_or(ConfigError::Invalid { name, expected });
        }
        let name = "GOOGLE_APPLICATION_CREDENTIALS";
        let Some(file) = self.text(name)? else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(PathBuf::from(file))
            .map_err(|source| ConfigError::Unreadable { name, source })?;
        let expected = "the path of a service-account key file";
        ServiceAccount::read(&text)
            .map(Some)
            .ok_or(ConfigError::Invalid { name, expected })
    }
}

/// An address to call. One with a user in it is refused: it would be shown wherever the address is.
fn web_url(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    let expected = "an address that begins with http:// or https:// and names no user";
    let invalid = ConfigError::Invalid { name, expected };
    let Ok(url) = Url::parse(text) else {
        return Err(invalid);
    };
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !web || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid);
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
