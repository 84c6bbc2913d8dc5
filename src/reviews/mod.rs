pub mod routes {
    pub fn endpoints() -> Vec<crate::http::route::Endpoint> {
        vec![]
    }
}
