;; transit+json for a pod's client, after the format's specification: written without the cache, read with it. Handlers as
;; pod libraries have them: by tag for reading, by class for writing.
(ns transit
  (:require [cheshire.core :as json])
  (:import [java.util Base64 Date UUID]))

(def read-handlers (atom {}))
(def write-handlers (atom {}))

(defn cacheable? [^String text key?]
  (and (> (count text) 3) (or key? (#{"~:" "~$" "~#"} (subs text 0 2)))))

(defn code-index [^String code]
  (reduce (fn [index letter] (+ (* 44 index) (- (int letter) 48))) 0 (rest code)))

(declare decode)

(defn decode-text [^String text]
  (if-not (= \~ (first text))
    text
    (let [rest-of (subs text 2)]
      (case (second text)
        \: (keyword rest-of)
        \$ (symbol rest-of)
        (\~ \^ \`) (subs text 1)
        (\i \n) (let [number (bigint rest-of)] (if (<= Long/MIN_VALUE number Long/MAX_VALUE) (long number) number))
        \d (Double/parseDouble rest-of)
        \f (bigdec rest-of)
        \z (case rest-of "NaN" ##NaN "INF" ##Inf "-INF" ##-Inf)
        \? (= "t" rest-of)
        \_ nil
        \u (UUID/fromString rest-of)
        \b (.decode (Base64/getDecoder) rest-of)
        \m (Date. (Long/parseLong rest-of))
        \t (Date/from (java.time.Instant/parse rest-of))
        \c (first rest-of)
        (throw (ex-info (str "a tag that no client knows: " text) {}))))))

(defn decode-string [^String text key? cache]
  (cond
    (= \^ (first text)) (decode-text (nth @cache (code-index text)))
    (cacheable? text key?) (do (swap! cache conj text) (decode-text text))
    :else (decode-text text)))

(defn tag-of [first-one cache]
  (when (string? first-one)
    (let [text (if (and (= \^ (first first-one)) (not= "^ " first-one)) (nth @cache (code-index first-one) "") first-one)]
      (when (= "~#" (subs (str text "  ") 0 2))
        (when (identical? text first-one)
          (when (cacheable? text false) (swap! cache conj text)))
        (subs text 2)))))

(defn decode-tagged [tag rep cache]
  (if (= "cmap" tag)
    (apply hash-map (mapv #(decode % false cache) rep))
    (let [value (decode rep false cache)]
      (case tag
        "'" value
        "set" (do (assert (or (empty? value) (apply distinct? value))) (set value))
        "list" (apply list value)
        "with-meta" (with-meta (first value) (second value))
        (if-let [handler (get @read-handlers tag)]
          (handler value)
          (throw (ex-info (str "a tag that no client knows: " tag) {})))))))

(defn decode [value key? cache]
  (cond
    (string? value) (decode-string value key? cache)
    (sequential? value)
    (if (= "^ " (first value))
      (into {} (mapv (fn [[k v]] (let [k (decode k true cache)] [k (decode v false cache)])) (partition 2 (rest value))))
      (if-let [tag (tag-of (first value) cache)]
        (decode-tagged tag (second value) cache)
        (mapv #(decode % false cache) value)))
    :else value))

(defn read-text [text] (decode (json/parse-string-strict text) false (atom [])))

(declare encode)

(defn with-metadata [value encoded]
  (if (and (instance? clojure.lang.IObj value) (not (fn? value)) (seq (meta value)))
    ["~#with-meta" [encoded (encode (meta value))]]
    encoded))

(defn encode [value]
  (let [handler (get @write-handlers (class value))]
    (with-metadata value
      (cond
        handler (let [[tag rep] handler] [(str "~#" (tag value)) (encode (rep value))])
        (nil? value) nil
        (string? value) (if (#{\~ \^ \`} (first value)) (str "~" value) value)
        (keyword? value) (str "~" value)
        (symbol? value) (str "~$" value)
        (integer? value) (if (< (abs value) 9007199254740992) value (str (if (instance? Long value) "~i" "~n") value))
        (instance? UUID value) (str "~u" value)
        (inst? value) (str "~m" (inst-ms value))
        (char? value) (str "~c" value)
        (map? value) (if (every? #(or (string? %) (keyword? %) (symbol? %)) (keys value))
                       (into ["^ "] (mapcat (fn [[k v]] [(encode k) (encode v)]) value))
                       ["~#cmap" (vec (mapcat (fn [[k v]] [(encode k) (encode v)]) value))])
        (set? value) ["~#set" (mapv encode value)]
        (vector? value) (mapv encode value)
        (sequential? value) ["~#list" (mapv encode value)]
        :else value))))

(defn write-text [value]
  (json/generate-string (let [written (encode value)] (if (sequential? written) written ["~#'" written]))))
