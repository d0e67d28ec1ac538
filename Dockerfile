# The image of every role: IMAGE scheduler, IMAGE coordinator, IMAGE worker, IMAGE migrate; without arguments `up`.
# BuildKit only (docker build, docker compose build). Its caches spare a second build the dependencies.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The dependencies are those of Cargo.lock, the SQL is checked against the committed caches.
# --build-arg CARGO_BUILD_JOBS=2 leaves a small machine something to work with.
ARG CARGO_BUILD_JOBS
ENV SQLX_OFFLINE=true
# Cargo goes by the files' times, and another checkout's may be older than what its cache was made of: all are new here.
# What is stripped are the line tables: a panic still names its functions.
RUN --mount=type=cache,id=distrack-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=distrack-target,target=/src/target,sharing=locked \
    find crates migrations proto -type f -exec touch {} + \
    && cargo build --release --locked --package distrack --bin distrack \
    && strip --strip-debug -o /usr/local/bin/distrack target/release/distrack

# With a shell, since workers run commands.
FROM debian:12.12-slim
RUN groupadd --gid 10001 distrack \
    && useradd --uid 10001 --gid distrack --create-home --shell /bin/sh distrack \
    && install --directory --owner=distrack --group=distrack /app /app/output /var/lib/distrack \
    # Where docker-compose.yml mounts empty volumes to write secrets to: they get this owner and this mode.
    && install --directory --owner=distrack --group=distrack --mode=0750 \
        /secrets/database /secrets/cluster /secrets/grafana /secrets/loadtest
# Whom a client of TLS believes: a database or a collector outside.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/distrack/
COPY --from=build /usr/local/bin/distrack /usr/local/bin/distrack

# A container's loopback reaches nobody, so its services listen where others can reach them, and an API wants a token of
# everybody: `docker exec NAME distrack token create ME --scope=admin` makes one. DISTRACK_AUTH=local, which lets the host in,
# is only for a port that is published on 127.0.0.1: some engines make callers from outside look like the host.
ENV DISTRACK_BIND=0.0.0.0 \
    DISTRACK_AUTH=tokens \
    DISTRACK_OUTPUT_DIR=/app/output \
    XDG_STATE_HOME=/var/lib \
    XDG_DATA_HOME=/var/lib \
    HOME=/home/distrack \
    LANG=C.UTF-8
WORKDIR /home/distrack
USER 10001:10001
EXPOSE 8081 8080 9080 8000 9000

# Right for `up` and for a scheduler; docker-compose.yml names the service for the others.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["distrack", "health"]
ENTRYPOINT ["distrack"]
CMD ["up"]

# Last, so that another revision changes no layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="distrack" \
      org.opencontainers.image.description="Runs shell commands at a given time, and shows what happened to each of them" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
