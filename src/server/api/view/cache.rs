use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::View;
use crate::api::Deps;

/// Keeps the latest [`View`]. Readers that come at once after a change may each make one; the last stays.
#[derive(Default)]
pub struct ViewCache(ArcSwapOption<View>);

impl ViewCache {
    /// The view of what is known now; made when something changed since the last reader.
    pub fn current(&self, deps: &Deps) -> Arc<View> {
        let picture = deps.picture.picture();
        let decided = deps.decisions.decided();
        let config = deps.config.borrow().clone();
        let latest = self.0.load_full();
        let is_current = |view: &&Arc<View>| {
            view.picture.version() == picture.version()
                && view.decided.applied_index == decided.applied_index
                && Arc::ptr_eq(&view.config, &config)
        };
        if let Some(view) = latest.as_ref().filter(is_current) {
            return Arc::clone(view);
        }
        let made = Arc::new(View::build(latest.as_deref(), picture, decided, config));
        self.0.store(Some(Arc::clone(&made)));
        made
    }
}
