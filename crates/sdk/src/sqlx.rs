//! Transaction steps on SQLite through sqlx.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite as Driver, SqliteConnection, SqlitePool, Transaction};

use crate::error::Error;
use crate::transaction::{Begun, Database, Receipt};

/// A SQLite database that carries transaction steps.
///
/// Writers take SQLite's one write lock when their transaction begins, so two attempts at the same
/// receipt never run side by side; the pool's busy timeout says how long one waits for the other.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
    label: String,
}

/// A database that cannot keep the promise of transaction steps.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// Commits are answered before they are on disk.
    #[error(
        "database {label} has synchronous = {level}: set it to FULL, or an acknowledged step could \
         be lost with the power"
    )]
    NotSynced {
        /// The database.
        label: String,
        /// SQLite's number for the setting found.
        level: i64,
    },
    /// SQLite refused.
    #[error("database {label} cannot be used: {source}")]
    Sql {
        /// The database.
        label: String,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

impl Sqlite {
    /// Takes over `pool` under a `label` that journals will show, and creates the table of
    /// receipts when it is missing.
    ///
    /// # Errors
    /// When the database does not sync its commits, or SQLite refuses.
    pub async fn new(pool: SqlitePool, label: &str) -> Result<Self, SqliteError> {
        let sql = |source| SqliteError::Sql {
            label: label.to_owned(),
            source,
        };
        let level: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&pool)
            .await
            .map_err(sql)?;
        // 2 is FULL, 3 is EXTRA.
        if level < 2 {
            return Err(SqliteError::NotSynced {
                label: label.to_owned(),
                level,
            });
        }
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS stepwell_receipts (
                 run TEXT NOT NULL,
                 step TEXT NOT NULL,
                 output TEXT,
                 PRIMARY KEY (run, step)
             ) WITHOUT ROWID",
        )
        .execute(&pool)
        .await
        .map_err(sql)?;
        Ok(Self {
            pool,
            label: label.to_owned(),
        })
    }

    /// A database that is never opened, under the `label` of the one it stands for: for replays
    /// that run no step. Whoever uses it all the same finds an empty one in memory.
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn unplugged(label: &str) -> Self {
        let options = SqliteConnectOptions::new().in_memory(true);
        Self {
            pool: SqlitePoolOptions::new().connect_lazy_with(options),
            label: label.to_owned(),
        }
    }

    /// The pool, for reading and for writes that are no step's.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

impl Database for Sqlite {
    type Transaction = Transaction<'static, Driver>;
    type Connection = SqliteConnection;

    fn label(&self) -> &str {
        &self.label
    }

    async fn begin(&self, receipt: &Receipt) -> Result<Begun<Self::Transaction>, Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let claimed = sqlx::query(
            "INSERT INTO stepwell_receipts (run, step) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&receipt.run)
        .bind(&receipt.step)
        .execute(&mut *transaction)
        .await?;
        if claimed.rows_affected() == 1 {
            return Ok(Begun::Fresh(transaction));
        }
        let output: String =
            sqlx::query_scalar("SELECT output FROM stepwell_receipts WHERE run = ? AND step = ?")
                .bind(&receipt.run)
                .bind(&receipt.step)
                .fetch_one(&mut *transaction)
                .await?;
        Ok(Begun::Already(output))
    }

    fn connection<'t>(&self, transaction: &'t mut Self::Transaction) -> &'t mut SqliteConnection {
        &mut *transaction
    }

    async fn commit(
        &self,
        mut transaction: Self::Transaction,
        receipt: &Receipt,
        output: &str,
    ) -> Result<(), Error> {
        sqlx::query("UPDATE stepwell_receipts SET output = ? WHERE run = ? AND step = ?")
            .bind(output)
            .bind(&receipt.run)
            .bind(&receipt.step)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
