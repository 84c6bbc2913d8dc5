pub mod model {
    use crate::db::*;
    use crate::error::Result;
    pub fn known_traits(_: &mut Db, _: Instant) -> Result<Option<std::collections::BTreeSet<String>>> {
        Ok(None)
    }
}
pub mod routes {
    pub fn endpoints() -> Vec<crate::http::route::Endpoint> {
        vec![]
    }
}
