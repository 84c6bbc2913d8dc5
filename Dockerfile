# Builds the program, then an image with it and the C library it needs: libpq,
# SQLite and OpenSSL are compiled in.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive this layer, so that a change of the sources rebuilds the
# sources alone; the program is copied out because they are no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin gouvtech-catalogue \
    && cp target/release/gouvtech-catalogue /gouvtech-catalogue

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="gouvtech-catalogue" \
      org.opencontainers.image.licenses="EUPL-1.2"

# /data is all that the program writes to (the SQLite file, the signing key):
# the root file system may be mounted read-only.
RUN install -d -m 0700 -o 10001 -g 10001 /data
COPY --from=build /gouvtech-catalogue /usr/local/bin/gouvtech-catalogue

# By number, so that an orchestrator can see it is not root.
USER 10001:10001
# SQLite puts the temporary files of a large sort here when nothing else can be written.
WORKDIR /data
VOLUME ["/data"]

ENV GOUVTECH_BIND=0.0.0.0:8080 \
    GOUVTECH_DATA_DIR=/data \
    GOUVTECH_DATABASE_URL=sqlite:///data/catalogue.sqlite
EXPOSE 8080

# The program asks itself: the image has no other HTTP client.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["gouvtech-catalogue", "healthcheck"]

ENTRYPOINT ["gouvtech-catalogue"]
CMD ["serve"]
