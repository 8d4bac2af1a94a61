# One image for serving and for learning; the command says which. It holds the ONNX Runtime library and the model that
# ships, so a container starts without network.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=1 go build -trimpath -buildvcs=false -o /out/nightshift ./cmd/nightshift
# Fetched by the program's own finder, which compares it with the checksum in the source.
RUN NIGHTSHIFT_CACHE=/out/cache go run ./tools/fetchruntime

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libstdc++6 tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /home/nightshift nightshift \
 && install -d -o nightshift -g nightshift /data /registry
COPY --from=build /out/nightshift /usr/local/bin/nightshift
COPY --from=build --chown=nightshift:nightshift /out/cache /home/nightshift/.cache/nightshift
USER nightshift
ENV NIGHTSHIFT_CACHE=/home/nightshift/.cache/nightshift \
    NIGHTSHIFT_DATA=/data \
    NIGHTSHIFT_REGISTRY=/registry
VOLUME ["/data", "/registry"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
  CMD ["nightshift", "doctor", "--live", "http://127.0.0.1:8080"]
ENTRYPOINT ["nightshift"]
CMD ["run"]
