//! Tasks of a worker stay on its thread.

use std::future::Future;

use hyper::rt::Executor;

#[derive(Clone, Copy, Debug)]
pub struct LocalExecutor;

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async {
            task.await;
        });
    }
}
