;; A program of yours with SCI in it, whose scripts use Python: babashka.pods knows SCI contexts as well as the JVM.
;; Start with: clojure -Sdeps '{:deps {org.babashka/sci {:mvn/version "0.8.41"}
;;                                     babashka/babashka.pods {:mvn/version "0.2.0"}}}' -M sci_program.clj
(require '[babashka.pods.sci :as pods]
         '[sci.core :as sci])

(def context
  (sci/init {:namespaces {'babashka.pods {'invoke (sci/copy-var pods/invoke (sci/create-ns 'babashka.pods))}}}))

(sci/binding [sci/out *out* sci/err *err*]
  (pods/load-pod context ["bascule" "pod" "--format" "json" "math"])
  (println (sci/eval-string* context "(require '[math] '[py]) [(math/hypot 3 4) (py/call \"os.path:basename\" \"/a/b\")]")))
(shutdown-agents)
