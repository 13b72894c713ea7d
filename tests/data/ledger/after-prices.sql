-- A ledger as the first version of the program (requests, prices) left it.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'genai-tui','requests','2026-11-23 12:52:10.521357+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'genai-tui','prices','2026-11-23 12:52:10.522025+00:00');
CREATE TABLE "prices" (
   "cluster" TEXT,
   "namespace" TEXT,
   "deployment" TEXT,
   "from_at" TEXT,
   "currency" TEXT,
   "input_per_million" TEXT,
   "output_per_million" TEXT,
   PRIMARY KEY ("cluster", "namespace", "deployment", "from_at")
);
INSERT INTO "prices" VALUES('https://c:6443','team-a','chat','2026-11-23T10:00:00.000000Z','USD','0.2','0.6');
INSERT INTO "prices" VALUES('https://c:6443','team-a','chat','2026-11-23T10:04:00.000000Z','EUR','0.000000001','123456789.123456789');
CREATE TABLE "requests" (
   "id" TEXT PRIMARY KEY NOT NULL,
   "at" TEXT NOT NULL,
   "source" TEXT NOT NULL,
   "cluster" TEXT,
   "namespace" TEXT,
   "deployment" TEXT NOT NULL,
   "model" TEXT,
   "organization" TEXT,
   "user" TEXT,
   "key" TEXT,
   "status" TEXT NOT NULL,
   "finish_reason" TEXT,
   "prompt_tokens" INTEGER,
   "completion_tokens" INTEGER,
   "total_tokens" INTEGER,
   "cached_tokens" INTEGER,
   "currency" TEXT,
   "input_per_million" TEXT,
   "output_per_million" TEXT,
   "cost" TEXT,
   "ttft_ms" REAL,
   "total_ms" REAL,
   "tokens_per_second" REAL
);
INSERT INTO "requests" VALUES('row-0','2026-11-23T10:00:00.000000Z','playground','https://c:6443','team-a','chat','smollm2-135m','','','','ok','stop',34,7,41,33,'USD','0.2','0.6','0.000011',82.5,900.0,61.25);
INSERT INTO "requests" VALUES('row-1','2026-11-23T10:01:00.000000Z','cli','https://c:6443','team-a','chat','smollm2-135m','','','','ok','length',12,16,28,NULL,'USD','0.2','0.6','0.000012',82.5,900.0,61.25);
INSERT INTO "requests" VALUES('row-2','2026-11-23T10:02:00.000000Z','playground','https://c:6443','team-a','chat','smollm2-135m','','','','error','',NULL,NULL,NULL,NULL,'USD','0.2','0.6',NULL,82.5,900.0,61.25);
INSERT INTO "requests" VALUES('row-3','2026-11-23T10:03:00.000000Z','playground','https://c:6443','team-a','chat','smollm2-135m','','','','ok','stop',1,1,2,NULL,NULL,NULL,NULL,NULL,82.5,900.0,61.25);
INSERT INTO "requests" VALUES('row-4','2026-11-23T10:04:00.000000Z','playground','https://c:6443','team-a','chat','smollm2-135m','','','','cancelled','',7,3,10,NULL,'EUR','0.000000001','123456789.123456789','370.370367370370374',82.5,900.0,61.25);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX "idx_requests_at"
    ON "requests" ("at");
COMMIT;
