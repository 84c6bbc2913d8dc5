use crate::http::route::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    let mut all = super::register::endpoints();
    all.extend(super::applications::endpoints());
    all.extend(super::assignment::endpoints());
    all.extend(super::audit::endpoints());
    all.extend(super::exchange::endpoints());
    all.extend(super::life::endpoints());
    all.extend(super::complaints::routes::endpoints());
    all.extend(super::attested::endpoints());
    all.extend(super::badge::endpoints());
    all
}
