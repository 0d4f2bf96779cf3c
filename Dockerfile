# The hub with its console. Data lies in /data unless MONGODB_URI is set.
#   docker build -t parley . && docker run --init -p 6767:6767 -v parley:/data parley

FROM node:24-slim AS packages
WORKDIR /parley
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM node:24-slim AS console
WORKDIR /parley
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY shared shared
COPY client client
RUN npx vite build client/console

FROM node:24-slim
ENV NODE_ENV=production PARLEY_HOST=0.0.0.0 PARLEY_PORT=6767 PARLEY_DATA_DIR=/data
WORKDIR /parley
RUN mkdir /data && chown node:node /data && chmod 700 /data
COPY --from=packages /parley/node_modules node_modules
COPY package.json ./
COPY shared shared
COPY server server
COPY --from=console /parley/client/console/dist client/console/dist
USER node
VOLUME /data
EXPOSE 6767
# Alive, not ready: a hub that waits for its database must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PARLEY_PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "server/main.ts"]
